/**
 * What a loaded value depends on, as far as it can be told without cojson, which the engine's context does not load: so that
 * it goes along with the value. It may be too much or too little: the other side asks for what it lacks.
 */
import { readLoaded } from "../codec/loaded.js";

/** In changes of a group: its members and parents are keys. */
const KEY = /"key":"(?:parent_)?(co_z[^"]+)"/g;

/** Ids of what a value depends on, given the bytes of it. */
export function likelyDependencies(bytes: Uint8Array): Set<string> {
  const { header, sessions } = readLoaded(bytes);
  const ids = new Set<string>();
  const { ruleset, meta } = header;
  if (ruleset.type === "ownedByGroup") ids.add(ruleset.group);
  if (typeof meta?.source === "string") ids.add(meta.source);
  for (const { id, pieces } of sessions) {
    const end = id.indexOf("_session_");
    if (end > 0 && id.startsWith("co_z")) ids.add(id.slice(0, end));
    if (ruleset.type !== "group") continue;
    for (const { read } of pieces) {
      for (const transaction of read?.().newTransactions ?? []) {
        if (transaction.privacy !== "trusting") continue;
        for (const [, key] of transaction.changes.matchAll(KEY)) ids.add(key as string);
      }
    }
  }
  return ids;
}
