/**
 * Typed errors. The engine's errors cross every binding with a stable `code`; this module gives them one class, and says
 * which of them mean that a store no longer keeps what it promised.
 */

import type { ErrorCode } from "./generated/native.js";

/** Codes of the engine's own errors, the same in every binding. */
export type EngineErrorCode = ErrorCode;

/**
 * Codes of the package's own errors: there is no usable binding; in a browser, there can be no engine, or it died again and
 * again.
 */
export type BindingErrorCode = "BINDING_MISSING" | "BINDING_VERSION" | "UNAVAILABLE" | "ENGINE_DIED";

/** Every code a {@link NativeStorageError} can have. */
export type NativeStorageErrorCode = EngineErrorCode | BindingErrorCode;

/** `caller`: the request was refused and nothing changed. `store`: the store cannot keep what it promised. */
type Blame = "caller" | "store";

const BLAME: Readonly<Record<NativeStorageErrorCode, Blame>> = {
  IO: "store",
  DISK_FULL: "store",
  NOT_A_DIRECTORY: "store",
  PERMISSION_DENIED: "store",
  LOCKED: "store",
  NEWER_FORMAT: "store",
  FOREIGN_DIRECTORY: "store",
  CORRUPT: "store",
  MALFORMED: "caller",
  EMPTY_ID: "caller",
  TOO_LARGE: "caller",
  INVALID_COMMIT: "caller",
  INVALID_OPTION: "caller",
  LATCHED: "store",
  TARGET_EXISTS: "caller",
  NOT_A_BACKUP: "caller",
  CANCELLED: "caller",
  HASH_COLLISION: "store",
  INTERNAL: "store",
  BINDING_MISSING: "store",
  BINDING_VERSION: "store",
  UNAVAILABLE: "store",
  ENGINE_DIED: "store",
};

/** What every failure of this package is. `message` says what happened, to what, and what to do about it. */
export class NativeStorageError extends Error {
  override readonly name = "NativeStorageError";
  readonly code: NativeStorageErrorCode;

  constructor(code: NativeStorageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Gives an error of a binding its type. Errors that already have it are returned as they are. */
export function toNativeStorageError(error: unknown): NativeStorageError {
  if (error instanceof NativeStorageError) return error;
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === "string" && isCode(code)) {
      return new NativeStorageError(code, error.message, { cause: error });
    }
    return new NativeStorageError("INTERNAL", error.message, { cause: error });
  }
  return new NativeStorageError("INTERNAL", String(error), { cause: error });
}

/** Whether an error means that the store cannot keep what it promised, rather than that a request was wrong. */
export function isDegradation(error: NativeStorageError): boolean {
  return BLAME[error.code] === "store";
}

function isCode(code: string): code is NativeStorageErrorCode {
  return Object.hasOwn(BLAME, code);
}
