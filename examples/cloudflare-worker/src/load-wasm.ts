/** cojson's crypto from a static import, as code cannot compile WebAssembly in a Worker: what `jazz-tools/load-edge-wasm` does. */
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { init, initSync } from "cojson/crypto/WasmCrypto/edge";

WasmCrypto.setInit(init);
WasmCrypto.setInitSync(initSync);
