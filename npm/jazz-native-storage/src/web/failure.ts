/** Why an engine could not be started, as it is told to another context. */
import { NativeStorageError, type NativeStorageErrorCode, toNativeStorageError } from "../errors.js";

export interface EngineFailure {
  readonly code: NativeStorageErrorCode;
  readonly message: string;
}

/** What the browser does not have, or does not allow here: a reason for another storage, not for giving up. */
export function unavailable(message: string): NativeStorageError {
  return new NativeStorageError("UNAVAILABLE", message);
}

/** What a browser's exceptions are, by their names. */
const CODES: Readonly<Record<string, NativeStorageErrorCode>> = {
  NoModificationAllowedError: "LOCKED",
  QuotaExceededError: "DISK_FULL",
  VersionError: "NEWER_FORMAT",
};

export function failureOf(error: unknown): EngineFailure {
  const { name } = error as { name?: string };
  const typed = toNativeStorageError(error);
  return { code: CODES[name ?? ""] ?? typed.code, message: typed.message };
}
