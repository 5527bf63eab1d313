/** Failures on their way from one context to another. */
import { NativeStorageError, type NativeStorageErrorCode, toNativeStorageError } from "../errors.js";

/** An error as it is posted: its class would not survive that. */
export interface PostedError {
  readonly code: NativeStorageErrorCode;
  readonly message: string;
}

export function fromPosted({ code, message }: PostedError): NativeStorageError {
  return new NativeStorageError(code, message);
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

/** Why an engine could not be started. */
export function failureOf(error: unknown): PostedError {
  const { name } = error as { name?: string };
  const typed = toNativeStorageError(error);
  return { code: CODES[name ?? ""] ?? typed.code, message: typed.message };
}
