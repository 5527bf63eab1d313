//! The checks as a module for Node. `setHost`, of the engine's own exports, comes first.

use crate::*;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = process, js_name = pid)]
    static PROCESS_ID: u32;
}

pub(crate) fn process_id() -> u32 {
    PROCESS_ID.with(|id| *id)
}

/// Throws what a check that fails has to say. Without it, a panic says nothing.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
}

macro_rules! export {
    (any: [$($any:ident),+ $(,)?], fresh: [$($fresh:ident),+ $(,)?], paths: [$($paths:ident),+ $(,)?] $(,)?) => {
        /// The names of all checks.
        #[wasm_bindgen(js_name = checkNames)]
        pub fn check_names() -> Vec<String> {
            let names = [$(stringify!($any),)+ $(stringify!($fresh),)+ $(stringify!($paths),)+];
            names.map(str::to_owned).to_vec()
        }

        /// Runs the check of this name in an empty directory. It throws, if it fails.
        #[wasm_bindgen(js_name = runCheck)]
        pub fn run_check(name: &str, directory: &str) {
            let path = Path::new(directory);
            let store = NativeFileIO::new(path.join("store"));
            match name {
                $(stringify!($any) => $any(&store),)+
                $(stringify!($fresh) => $fresh(&store),)+
                $(stringify!($paths) => $paths(path),)+
                other => panic!("there is no check {other}"),
            }
        }
    };
}

for_each_check!(export);
