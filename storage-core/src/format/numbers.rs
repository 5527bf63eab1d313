//! The numbers of the byte forms that cross a binding (docs/design.md, sections 2 and 3), defined here for all languages:
//! `cargo xtask codegen` writes [`ALL`] down for TypeScript, Kotlin and Swift.

/// A number of the byte forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Its name, `LIKE_THIS`.
    pub name: &'static str,
    /// Its value.
    pub value: u32,
    /// What it is for.
    pub documentation: &'static str,
}

macro_rules! numbers {
    ($($name:ident: $type:ty = $value:literal, $documentation:literal;)*) => {
        $(
            #[doc = $documentation]
            pub const $name: $type = $value;
        )*

        /// All of them.
        pub const ALL: &[Number] = &[
            $(Number { name: stringify!($name), value: $value, documentation: $documentation },)*
        ];
    };
}

numbers! {
    ABI_VERSION: u32 = 1, "Version of everything that crosses the boundary: names and signatures of the API, and its byte forms.";
    FORM_VERSION: u8 = 1, "First byte of a content message, and of a loaded CoValue.";
    MESSAGE_HAS_HEADER: u8 = 1, "Flag of a content message: its header is there.";
    MESSAGE_DELETE_IS_VALID: u8 = 2, "Flag of a content message: a delete of this CoValue is valid.";
    OUTCOME_STORED: u8 = 0, "Status of a message: all of it was stored.";
    OUTCOME_HEADER_MISSING: u8 = 1, "Status of a message: nothing was stored, as the CoValue is unknown and its header missing.";
    OUTCOME_GAP: u8 = 2, "Status of a message: sessions that begin after what is stored were left out, others stored.";
    BATCH_FOLLOWS: u32 = 0x8000_0000, "Bit of the count of a batch: it is stored only if all of what came before it was stored.";
    SESSION_HAS_CHUNK_SIGNATURE: u8 = 1, "Flag of a loaded session: it has at least one chunk signature.";
    PIECE_LEFT_OUT: u8 = 0, "State of a piece: its content is left to `loadPiece`.";
    PIECE_HAS_CONTENT: u8 = 1, "State of a piece: its signature and transactions follow.";
    TX_VERBATIM: u8 = 0, "Shape of a transaction: its JSON text.";
    TX_PRIVATE: u8 = 1, "Shape of a private transaction with its fields in the order of their names.";
    TX_TRUSTING: u8 = 2, "Shape of a trusting transaction with its fields in the order of their names.";
    TX_PRIVATE_FIRST: u8 = 3, "Shape of a private transaction that begins with `privacy`.";
    TX_TRUSTING_FIRST: u8 = 4, "Shape of a trusting transaction that begins with `privacy`.";
    TX_SHAPE_MASK: u8 = 0x0f, "The bits of a transaction's first byte that are its shape.";
    TX_HAS_META: u8 = 0x10, "Flag of a transaction: it has `meta`.";
    TX_SAME_KEY: u8 = 0x20, "Flag of a private transaction: its key is that of the one before.";
    STR16_MAX: u16 = 0x7fff, "The most bytes of a `str16`.";
    STR16_NOT_ASCII: u16 = 0x8000, "Bit of the length of a `str16`: it has characters outside ASCII.";
    STR32_MAX: u32 = 0x7fff_ffff, "The most bytes of a `str32`.";
    STR32_NOT_ASCII: u32 = 0x8000_0000, "Bit of the length of a `str32`: it has characters outside ASCII.";
}
