/** The options of a store in a browser. */

import type { Durability } from "../generated/native.js";
import { checkShared, describe, invalid, LISTENERS, type Listeners, SIZES, type Sizes } from "../options.js";

export interface BrowserStorageOptions extends Listeners, Sizes {
  /** The name of the database, of which an origin has any number. Default: `"jazz-storage"`. */
  readonly dbName?: string;
  /** Default: `"relaxed"`. */
  readonly durability?: Durability;
}

const NAMES: readonly string[] = [
  "dbName",
  "durability",
  ...SIZES,
  ...LISTENERS,
] satisfies (keyof BrowserStorageOptions)[];

/** A directory of a file system has this name, spelled by `encodeURIComponent`. */
const MOST_NAME_CHARACTERS = 200;

/** Throws `INVALID_OPTION`, naming the option and what it allows, unless `options` can be used. */
export function validateBrowserOptions(options: unknown): asserts options is BrowserStorageOptions {
  const { dbName } = checkShared(options, NAMES, '{ dbName: "my-app" }');
  if (dbName === undefined) return;
  if (typeof dbName !== "string" || dbName === "")
    throw invalid("dbName", `must be a name, not ${describe(dbName)}`);
  if (!dbName.isWellFormed() || encodeURIComponent(dbName).length > MOST_NAME_CHARACTERS) {
    throw invalid("dbName", `must have at most ${MOST_NAME_CHARACTERS} characters of a URL`);
  }
}
