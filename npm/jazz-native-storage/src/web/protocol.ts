/** The messages between a storage object and the context that has the engine. One connection serves one object. */
import { ABI_VERSION } from "../generated/definitions.js";
import type { OpenOptions, TaskProgress } from "../generated/native.js";
import type { NativeStorageEvent } from "../options.js";
import type { PostedError } from "./failure.js";

/** What a storage object wants opened: the options of the engine, but for the path, which is the database's. */
export type OpenRequest = Omit<OpenOptions, "path">;

/** Raised by any change of these messages or of frames that another build would trip over. */
const PROTOCOL_VERSION = 3;

/** What both sides must have the same: tabs may be of different versions of an app. */
export interface Versions {
  readonly protocol: number;
  /** Of the bytes that the engine takes and gives. */
  readonly abi: number;
}

/** Ours. */
export const VERSIONS: Versions = { protocol: PROTOCOL_VERSION, abi: ABI_VERSION };

/** To the engine's context. The first is `open`. Bytes are a frame of calls. */
export type ToServer =
  | Uint8Array
  | { readonly kind: "open"; readonly request: OpenRequest; readonly versions: Versions }
  /** Ends a task, by the number it was given. */
  | { readonly kind: "cancel"; readonly task: number }
  /** A piece of a task's archive has been taken. */
  | { readonly kind: "taken"; readonly task: number };

/** From it. Bytes are a frame of answers. */
export type FromServer =
  | Uint8Array
  | { readonly kind: "opened"; readonly error?: PostedError }
  | { readonly kind: "event"; readonly event: NativeStorageEvent }
  | { readonly kind: "progress"; readonly task: number; readonly progress: TaskProgress }
  /** A piece of the archive that a task makes, and where it belongs. */
  | {
      readonly kind: "piece";
      readonly task: number;
      readonly at: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
    };
