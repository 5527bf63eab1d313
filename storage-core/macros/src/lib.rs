//! Annotations of the API, one for all bindings: [`macro@operations`] and [`macro@operation`] for what it does,
//! [`macro@record`] and [`macro@choice`] for what it is given and gives.
//!
//! They generate no glue of their own. They write the attributes of napi-derive, wasm-bindgen with tsify, and UniFFI, under
//! the conditions by which `jazz-storage-core` selects these (features `napi` and `uniffi`, family `wasm`), and the body of
//! the form of an operation that does not block, which is the same for all of them.

mod records;

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens, TokenTree};
use quote::{format_ident, quote};
use syn::{
    Attribute, Block, Error, FnArg, GenericArgument, Ident, ImplItem, ItemEnum, ItemFn, ItemImpl, ItemStruct,
    LitStr, Meta, Pat, PatType, PathArguments, Result, ReturnType, Signature, Type, Visibility,
    parse_macro_input,
};

/// Exports the public methods of an `impl` block, each of which returns a `Result`.
///
/// A method with `#[lane(Write)]` (or another lane of the storage's queue) gets a twin `…_async`, which does the same on
/// that lane. With `#[lane(Upkeep, only)]` the twin alone is exported, and the method is for Rust;
/// in WebAssembly, `…_in_slices`, which does the same with pauses, is run by `wasm::in_slices`. A method without `self`
/// makes a value of the type; its twin, which needs a lane as well, runs on a thread of its own.
///
/// In WebAssembly there is one thread, and nothing to queue: a twin would only be a second copy of the operation.
///
/// In scope must be `guarded`, which turns panics into errors, `Pending`, the future that a twin gives, `detached`, which
/// runs something on a thread of its own, and a method `queue(&self, lane, operation)` of the type.
///
/// | | blocking | not blocking |
/// |---|---|---|
/// | napi-derive | the method | the twin, whose `Pending` is a promise in JavaScript |
/// | UniFFI | the method | an `async fn` that awaits the twin |
/// | wasm-bindgen | the method | a function that gives a promise of what the method gives |
/// | Rust | the method | the twin |
#[proc_macro_attribute]
pub fn operations(arguments: TokenStream, block: TokenStream) -> TokenStream {
    let block = parse_macro_input!(block as ItemImpl);
    finish(arguments, || expand_methods(&block))
}

/// Exports the twin `…_async` of a function, which runs on a thread of its own. The function itself is for Rust.
#[proc_macro_attribute]
pub fn operation(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let function = parse_macro_input!(function as ItemFn);
    finish(arguments, || expand_function(&function))
}

/// Exports a struct of public fields, by value: an object in JavaScript, a data class or struct elsewhere. With
/// `#[record(given)]` it is only given to the storage, and fields that are an `Option` may be left out everywhere; with
/// `#[record(returned)]` the storage only gives it.
#[proc_macro_attribute]
pub fn record(arguments: TokenStream, record: TokenStream) -> TokenStream {
    let record = parse_macro_input!(record as ItemStruct);
    let direction = parse_macro_input!(arguments as Ident);
    records::record(&direction, record).unwrap_or_else(Error::into_compile_error).into()
}

/// Exports an enum without data: one of some strings in JavaScript, `like_this` with `#[choice(lower)]` and `LIKE_THIS`
/// with `#[choice(upper)]`, an enum elsewhere.
#[proc_macro_attribute]
pub fn choice(arguments: TokenStream, choice: TokenStream) -> TokenStream {
    let choice = parse_macro_input!(choice as ItemEnum);
    let case = parse_macro_input!(arguments as Ident);
    records::choice(&case, &choice).unwrap_or_else(Error::into_compile_error).into()
}

fn finish(arguments: TokenStream, expand: impl FnOnce() -> Result<Tokens>) -> TokenStream {
    let expanded = match arguments.is_empty() {
        true => expand(),
        false => Err(Error::new(Span::call_site(), "there are no arguments")),
    };
    expanded.unwrap_or_else(Error::into_compile_error).into()
}

/// Where an operation is queued, and whether it exists in that form only.
struct Queued {
    lane: Ident,
    only: bool,
}

/// The attributes under which wasm-bindgen and UniFFI export something.
fn exported() -> Tokens {
    quote! {
        #[cfg_attr(target_family = "wasm", wasm_bindgen::prelude::wasm_bindgen)]
        #[cfg_attr(feature = "uniffi", uniffi::export)]
    }
}

fn expand_methods(block: &ItemImpl) -> Result<Tokens> {
    let class = &block.self_ty;
    let (mut rust_only, mut blocking, mut twins) = (Tokens::new(), Tokens::new(), Tokens::new());
    let (mut wasm, mut uniffi) = (Tokens::new(), Tokens::new());
    for item in &block.items {
        let ImplItem::Fn(method) = item else {
            return Err(Error::new_spanned(item, "operations are methods"));
        };
        let method = Operation::new(&method.attrs, &method.vis, &method.sig, &method.block)?;
        let queued = method.queued()?;
        let only = queued.as_ref().is_some_and(|queued| queued.only);
        let place = if only { &mut rust_only } else { &mut blocking };
        place.extend(method.guarded(!only));
        if let Some(Queued { lane, .. }) = queued {
            let lane = method.sig.receiver().is_some().then_some(lane);
            let twin = method.twin(lane.as_ref());
            twins.extend(quote! { #[cfg_attr(feature = "napi", napi)] #twin });
            let (js, snake) = method.twin_names();
            let makes = if method.sig.receiver().is_some() {
                quote! { method }
            } else {
                quote! { constructor }
            };
            wasm.extend(match only {
                true => method.sliced(&quote! { #[wasm_bindgen(js_name = #js)] }),
                false => method.promise(&quote! { wasm_bindgen }, &js),
            });
            uniffi.extend(method.future(&quote! { #[uniffi::#makes(name = #snake)] }));
        }
    }
    let exported = exported();
    let futures = futures(
        &quote! {
            #[wasm_bindgen::prelude::wasm_bindgen]
            impl #class { #wasm }
        },
        &quote! {
            #[uniffi::export]
            impl #class { #uniffi }
        },
    );
    Ok(quote! {
        impl #class { #rust_only }

        #exported
        #[cfg_attr(feature = "napi", napi_derive::napi)]
        impl #class { #blocking }

        #[cfg_attr(feature = "napi", napi_derive::napi)]
        impl #class { #twins }

        #futures
    })
}

fn expand_function(function: &ItemFn) -> Result<Tokens> {
    let operation = Operation::new(&function.attrs, &function.vis, &function.sig, &function.block)?;
    let (blocking, twin) = (operation.guarded(false), operation.twin(None));
    let (js, snake) = operation.twin_names();
    let futures = futures(
        &operation.promise(&quote! { wasm_bindgen::prelude::wasm_bindgen }, &js),
        &operation.future(&quote! { #[uniffi::export(name = #snake)] }),
    );
    Ok(quote! {
        #blocking

        #[cfg_attr(feature = "napi", napi_derive::napi)]
        #twin

        #futures
    })
}

/// What exists for wasm-bindgen or UniFFI only. Constants, so that a condition applies before what is inside expands.
fn futures(wasm: &Tokens, uniffi: &Tokens) -> Tokens {
    quote! {
        #[cfg(all(target_family = "wasm", not(feature = "uniffi")))]
        const _: () = { #wasm };
        #[cfg(feature = "uniffi")]
        const _: () = { #uniffi };
    }
}

/// A method or function that is an operation.
struct Operation<'a> {
    attributes: &'a [Attribute],
    vis: &'a Visibility,
    sig: &'a Signature,
    block: &'a Block,
    /// The arguments after `self`, and their names.
    arguments: Vec<(&'a PatType, &'a Ident)>,
    /// `T` of the `Result<T>` that it returns.
    value: &'a Type,
}

impl<'a> Operation<'a> {
    fn new(
        attributes: &'a [Attribute],
        vis: &'a Visibility,
        sig: &'a Signature,
        block: &'a Block,
    ) -> Result<Self> {
        if !matches!(vis, Visibility::Public(_)) || !attributes.iter().any(|a| a.path().is_ident("doc")) {
            return Err(Error::new_spanned(sig, "an operation is public and has documentation"));
        }
        let mut arguments = Vec::new();
        for argument in &sig.inputs {
            if let FnArg::Typed(argument) = argument {
                let Pat::Ident(name) = &*argument.pat else {
                    return Err(Error::new_spanned(argument, "an argument has a name"));
                };
                arguments.push((argument, &name.ident));
            }
        }
        Ok(Self { attributes, vis, sig, block, arguments, value: value(sig)? })
    }

    /// What `#[lane(…)]` says.
    fn queued(&self) -> Result<Option<Queued>> {
        let Some(attribute) = self.attributes.iter().find(|attribute| attribute.path().is_ident("lane"))
        else {
            return Ok(None);
        };
        let mut queued: Option<Queued> = None;
        attribute.parse_nested_meta(|meta| {
            match (&mut queued, meta.path.get_ident()) {
                (None, Some(lane)) => queued = Some(Queued { lane: lane.clone(), only: false }),
                (Some(queued), Some(word)) if word == "only" => queued.only = true,
                _ => return Err(meta.error("expected a lane, and perhaps `only`")),
            }
            Ok(())
        })?;
        queued.map(Some).ok_or_else(|| Error::new_spanned(attribute, "expected a lane"))
    }

    /// The operation itself, with its panics as errors.
    fn guarded(&self, is_exported: bool) -> Tokens {
        let Self { vis, sig, block, .. } = self;
        let attributes = self.attributes.iter().filter(|attribute| !attribute.path().is_ident("lane"));
        let names = is_exported.then(|| {
            let js = camel(&sig.ident);
            let makes = if sig.receiver().is_none() {
                quote! {
                    #[cfg_attr(feature = "napi", napi(factory))]
                    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
                }
            } else if self.has_napi() {
                Tokens::new()
            } else {
                quote! { #[cfg_attr(feature = "napi", napi)] }
            };
            quote! {
                #makes
                #[cfg_attr(target_family = "wasm", wasm_bindgen(js_name = #js))]
            }
        });
        quote! {
            #(#attributes)*
            #names
            #vis #sig { guarded(|| #block) }
        }
    }

    /// Whether something is said to napi-derive where it is written, such as types that it cannot know.
    fn has_napi(&self) -> bool {
        let is_napi = |token: TokenTree| matches!(token, TokenTree::Ident(word) if word == "napi");
        self.attributes.iter().any(|attribute| {
            let conditional = attribute.path().is_ident("cfg_attr");
            conditional
                && matches!(&attribute.meta, Meta::List(list) if list.tokens.clone().into_iter().any(is_napi))
        })
    }

    fn documentation(&self) -> Tokens {
        let lines = self.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
        quote! {
            #(#lines)*
            #[doc = ""]
            #[doc = " Does not block the caller."]
        }
    }

    fn twin_name(&self) -> Ident {
        format_ident!("{}_async", self.sig.ident)
    }

    /// The name of the twin for wasm-bindgen and for UniFFI.
    fn twin_names(&self) -> (LitStr, LitStr) {
        let name = self.twin_name();
        (camel(&name), LitStr::new(&name.to_string(), name.span()))
    }

    /// What is borrowed belongs to the caller, who gets it back before the operation runs: copies of it.
    fn owned(&self) -> Vec<Tokens> {
        let borrowed = self.arguments.iter().filter(|(argument, _)| is_borrowed(argument));
        borrowed.map(|(_, name)| quote! { let #name = #name.to_owned(); }).collect()
    }

    /// The arguments of the operation, after [`Self::owned`].
    fn passed(&self) -> Vec<Tokens> {
        let pass = |(argument, name): &(&PatType, &Ident)| match is_borrowed(argument) {
            true => quote! { &#name },
            false => quote! { #name },
        };
        self.arguments.iter().map(pass).collect()
    }

    /// The form that does not block: the same on a lane of the queue, or on a thread of its own.
    fn twin(&self, lane: Option<&Ident>) -> Tokens {
        let (owned, passed) = (self.owned(), self.passed());
        let (vis, name, twin, value) = (self.vis, &self.sig.ident, self.twin_name(), self.value);
        let (inputs, documentation) = (&self.sig.inputs, self.documentation());
        let run = match (lane, self.is_method()) {
            (Some(lane), _) => quote! { self.queue(Lane::#lane, move |storage| storage.#name(#(#passed),*)) },
            (None, true) => quote! { detached(move || Self::#name(#(#passed),*)) },
            (None, false) => quote! { detached(move || #name(#(#passed),*)) },
        };
        quote! {
            #documentation
            #vis fn #twin(#inputs) -> Pending<#value> {
                #(#owned)*
                #run
            }
        }
    }

    /// The form that does not block as an `async fn`, under another name in Rust, where the twin has its name already.
    fn future(&self, attribute: &Tokens) -> Tokens {
        let (output, twin, inputs) = (&self.sig.output, self.twin_name(), &self.sig.inputs);
        let future = format_ident!("{}_future", self.sig.ident);
        let names = self.arguments.iter().map(|(_, name)| name);
        let documentation = self.documentation();
        let call = match (self.sig.receiver().is_some(), self.is_method()) {
            (true, _) => quote! { self.#twin },
            (false, true) => quote! { Self::#twin },
            (false, false) => quote! { #twin },
        };
        quote! {
            #documentation
            #attribute
            pub async fn #future(#inputs) #output {
                #call(#(#names),*).await
            }
        }
    }

    /// The same where there is one thread, of what takes long: it is done in slices.
    fn sliced(&self, attribute: &Tokens) -> Tokens {
        let (output, inputs) = (&self.sig.output, &self.sig.inputs);
        let future = format_ident!("{}_future", self.sig.ident);
        let in_slices = format_ident!("{}_in_slices", self.sig.ident);
        let names = self.arguments.iter().map(|(_, name)| name);
        let documentation = self.documentation();
        quote! {
            #documentation
            #attribute
            pub async fn #future(#inputs) #output {
                super::wasm::in_slices(self.#in_slices(#(#names),*)).await
            }
        }
    }

    /// The form that does not block for wasm-bindgen: a promise of what the method does when the caller is done.
    fn promise(&self, attribute: &Tokens, js: &LitStr) -> Tokens {
        let (name, inputs) = (&self.sig.ident, &self.sig.inputs);
        let promise = format_ident!("{}_promise", name);
        let owned = self.owned();
        let passed = self.passed();
        let receives = self.sig.receiver().is_some();
        let storage = receives.then(|| quote! { let storage = self.clone(); });
        let call = match (receives, self.is_method()) {
            (true, _) => quote! { storage.#name },
            (false, true) => quote! { Self::#name },
            (false, false) => quote! { #name },
        };
        let value = match self.value {
            Type::Tuple(_) => quote! { |()| wasm_bindgen::JsValue::UNDEFINED },
            _ => quote! { wasm_bindgen::JsValue::from },
        };
        let gives = LitStr::new(&format!("Promise<{}>", typescript(self.value)), name.span());
        let documentation = self.documentation();
        quote! {
            #documentation
            #[#attribute(js_name = #js, unchecked_return_type = #gives)]
            pub fn #promise(#inputs) -> js_sys::Promise {
                #storage
                #(#owned)*
                crate::api::wasm::promised(move || #call(#(#passed),*).map(#value))
            }
        }
    }

    /// Whether it stands in an `impl` block: only there `lane` has a meaning.
    fn is_method(&self) -> bool {
        self.sig.receiver().is_some()
            || self.attributes.iter().any(|attribute| attribute.path().is_ident("lane"))
    }
}

fn is_borrowed(argument: &PatType) -> bool {
    matches!(&*argument.ty, Type::Reference(_))
}

/// A type of the API as TypeScript has it, where wasm-bindgen is to be told.
fn typescript(ty: &Type) -> String {
    let Type::Path(path) = ty else { return "void".to_owned() };
    let Some(last) = path.path.segments.last() else { return "void".to_owned() };
    let of = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
            Some(GenericArgument::Type(of)) => typescript(of),
            _ => String::new(),
        },
        _ => String::new(),
    };
    match last.ident.to_string().as_str() {
        "Option" => format!("{of} | undefined"),
        "Vec" => format!("{of}[]"),
        "Bytes" => "Uint8Array".to_owned(),
        "bool" => "boolean".to_owned(),
        "f64" | "u32" => "number".to_owned(),
        name => name.to_owned(),
    }
}

/// `T` of what returns `Result<T>`.
fn value(sig: &Signature) -> Result<&Type> {
    if let ReturnType::Type(_, output) = &sig.output
        && let Type::Path(path) = &**output
        && let Some(last) = path.path.segments.last()
        && last.ident == "Result"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return Ok(value);
    }
    Err(Error::new_spanned(sig, "an operation returns a Result"))
}

/// `co_value_ids` as `coValueIds`, the name that the other generators make themselves.
fn camel(name: &Ident) -> LitStr {
    let mut camel = String::new();
    for (position, word) in name.to_string().split('_').enumerate() {
        let (first, rest) = word.split_at(word.len().min(1));
        camel.push_str(&if position == 0 { first.to_owned() } else { first.to_uppercase() });
        camel.push_str(rest);
    }
    LitStr::new(&camel, name.span())
}
