/** In place of `files.ts` in the entry `inline`: there are no files to start workers from. */

export function engineWorker(): Worker | undefined {
  return undefined;
}

/** Shared workers made of a blob are not shared between tabs. */
export function hubWorker(): SharedWorker | undefined {
  return undefined;
}
