//! Prints what `cargo xtask codegen` writes down for each language: a line for each number of the byte forms and for each
//! code of an error, with kind, name, value and documentation between tabs.

use jazz_storage_core::ErrorCode;
use jazz_storage_core::format::numbers::{self, Number};

fn main() {
    for Number { name, value, documentation } in numbers::ALL {
        println!("number\t{name}\t{value}\t{documentation}");
    }
    for code in ErrorCode::ALL {
        println!("error\t{code:?}\t{}\t{}", code.as_str(), code.documentation());
    }
}
