//! Values of the API: what each generator wants to see on a struct or an enum.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::quote;
use syn::{Error, ItemEnum, ItemStruct, Result, Type, parse_quote};

pub(crate) fn record(direction: &Ident, mut record: ItemStruct) -> Result<Tokens> {
    let (napi, wasm) = match direction.to_string().as_str() {
        "given" => (quote! { object, object_to_js = false }, quote! { from_wasm_abi }),
        "returned" => (quote! { object, object_from_js = false }, quote! { into_wasm_abi }),
        _ => return Err(Error::new_spanned(direction, "expected `given` or `returned`")),
    };
    for field in &mut record.fields {
        if !is_option(&field.ty) {
            continue;
        }
        field.attrs.push(parse_quote! { #[cfg_attr(target_family = "wasm", tsify(optional))] });
        if direction == "given" {
            field.attrs.push(parse_quote! { #[cfg_attr(feature = "uniffi", uniffi(default = None))] });
        }
    }
    let serde = serde();
    Ok(quote! {
        #[cfg_attr(feature = "napi", napi_derive::napi(#napi))]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
        #[cfg_attr(target_family = "wasm", derive(#serde), tsify(#wasm), serde(rename_all = "camelCase"))]
        #record
    })
}

pub(crate) fn choice(case: &Ident, choice: &ItemEnum) -> Result<Tokens> {
    let (napi, serde_case) = match case.to_string().as_str() {
        "lower" => ("snake_case", "snake_case"),
        "upper" => ("UPPER_SNAKE", "SCREAMING_SNAKE_CASE"),
        _ => return Err(Error::new_spanned(case, "expected `lower` or `upper`")),
    };
    let serde = serde();
    Ok(quote! {
        #[cfg_attr(feature = "napi", napi_derive::napi(string_enum = #napi))]
        #[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
        #[cfg_attr(
            target_family = "wasm",
            derive(#serde), tsify(into_wasm_abi, from_wasm_abi), serde(rename_all = #serde_case)
        )]
        #choice
    })
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

fn serde() -> Tokens {
    quote! { tsify::Tsify, serde::Serialize, serde::Deserialize }
}
