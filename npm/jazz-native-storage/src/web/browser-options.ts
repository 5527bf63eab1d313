/** The options of a store in a browser. */
import {
  checkShared,
  describe,
  type Fallback,
  invalid,
  listener,
  type NativeStorageOptions,
  oneOf,
  trueOrFalse,
} from "../options.js";

const FALLBACKS: readonly string[] = ["best", "indexeddb", "memory", "none"] satisfies Fallback[];

/** A directory of a file system has this name, spelled by `encodeURIComponent`. */
const MOST_NAME_CHARACTERS = 200;

/** Throws `INVALID_OPTION`, naming the option and what it allows, unless `options` can be used. */
export function validateBrowserOptions(options: unknown): asserts options is NativeStorageOptions {
  const { dbName, path, flavour, fallback, onFallback, migrate, persist } = checkShared(
    options,
    '{ dbName: "my-app" }',
  );
  if (path !== undefined) throw invalid("path", "names a directory; in a browser a store has a dbName");
  oneOf("flavour", flavour, ["async"]);
  oneOf("fallback", fallback, FALLBACKS);
  listener("onFallback", onFallback);
  trueOrFalse("migrate", migrate);
  trueOrFalse("persist", persist);
  if (dbName === undefined) return;
  if (typeof dbName !== "string" || dbName === "") {
    throw invalid("dbName", `must be a name, not ${describe(dbName)}`);
  }
  if (!dbName.isWellFormed() || encodeURIComponent(dbName).length > MOST_NAME_CHARACTERS) {
    throw invalid("dbName", `must have at most ${MOST_NAME_CHARACTERS} characters of a URL`);
  }
}
