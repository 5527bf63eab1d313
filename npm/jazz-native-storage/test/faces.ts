/**
 * Type-checked, never run: every binding is the same interface for the package. It does not compile where the declarations
 * that one of the generators makes of the API differ from it.
 */

import type * as addon from "../native/binding.js";
import type { NativeBinding } from "../src/generated/native.js";
import type * as reactNative from "../src/generated/react-native.js";
import type * as wasm from "../src/generated/wasm.js";

export const ofNode = (binding: typeof addon): NativeBinding => binding;
export const ofWebAssembly = (binding: typeof wasm): NativeBinding => binding;
export const ofReactNative = ({ binding }: typeof reactNative): NativeBinding => binding;
