/**
 * The engine in Cloudflare Workers: the WebAssembly module, which the platform has compiled, as code cannot compile any there,
 * and stores in its memory.
 *
 * The module is instantiated by the first store, so that importing has no effect; all stores of an isolate share it.
 */
import { NativeStorageError, toNativeStorageError } from "../errors.js";
import type { NativeStorage, OpenOptions } from "../generated/native.js";
import { initSync, NativeStorage as WasmNativeStorage } from "../wasm/jazz_native_storage_wasm.js";
import module from "../wasm/jazz_native_storage_wasm_bg.wasm";

/**
 * An isolate has 128 MB, for this, for the nodes with what they have loaded, and for everything else. README.md says what a
 * store takes beside it.
 */
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;

/** Opens a store of its own in memory. Throws a {@link NativeStorageError}. */
export function openInMemory({ maxBytes = DEFAULT_MAX_BYTES, ...sizes }: OpenOptions): NativeStorage {
  checkScope();
  try {
    initSync({ module });
    return WasmNativeStorage.open({ ...sizes, maxBytes, durability: "memory" });
  } catch (error) {
    throw toNativeStorageError(error);
  }
}

/** A store has a secret of its own, and in the global scope of a Worker there are no random numbers. */
function checkScope(): void {
  try {
    crypto.getRandomValues(new Uint8Array(1));
  } catch (cause) {
    throw new NativeStorageError(
      "UNAVAILABLE",
      "a store cannot be opened in the global scope of a Worker, which has no random numbers: open it when it is first needed, " +
        "while a request or an event is handled",
      { cause },
    );
  }
}

/** What a Worker does not have. */
export function unavailable(message: string): NativeStorageError {
  return new NativeStorageError("UNAVAILABLE", message);
}
