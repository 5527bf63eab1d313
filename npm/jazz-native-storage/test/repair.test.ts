/** Verifying an open store, and repairing a damaged one so that a node can fetch what is missing. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createNativeStorage, type DegradedEvent, type Progress, repairNativeStorage } from "../src/index.js";
import {
  coValueIds,
  FLAVOURS,
  HEADER,
  load,
  loadWhole,
  open,
  SESSION,
  silence,
  single,
  store,
  temporaryDirectory,
  trusting,
} from "./support.js";

/** Turns one bit of a text in the store's packs, or in what stayed in its log. */
function damage(path: string, needle: string): string {
  for (const name of readdirSync(path).filter((name) => /^(pack|segment)-/.test(name))) {
    const bytes = readFileSync(join(path, name));
    const at = bytes.indexOf(needle);
    if (at < 0) continue;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(join(path, name), bytes);
    return name;
  }
  throw new Error("the text is in no file");
}

describe.each(FLAVOURS)("%s", (flavour) => {
  test("an intact store has nothing wrong", async () => {
    const storage = await open({ path: join(temporaryDirectory(), "store"), flavour });
    for (let n = 0; n < 50; n++) await store(storage, single(`co_z${n}`, [trusting(`${n}`)], HEADER));
    await storage.compact();
    await store(storage, single("co_zLast", [trusting("last")], HEADER));
    const seen: Progress[] = [];
    const report = await storage.verify({ onProgress: (progress) => seen.push(progress) });
    expect(report).toMatchObject({ coValues: 51, transactions: 51, damage: [] });
    expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    const aborted = AbortSignal.abort(new Error("no time"));
    await expect(storage.verify({ signal: aborted })).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("damage is found, repaired up to the last good signature, and stored again from there", async () => {
    silence("error");
    const path = join(temporaryDirectory(), "store");
    const storage = await open({ path, flavour });
    // Three pieces, as each is longer than what a chunk may have.
    const pieces = ["first", "second", "third"].map((word) => trusting(`${word}${"x".repeat(110_000)}`));
    for (const [after, piece] of pieces.entries()) {
      await store(storage, single("co_zLong", [piece], after === 0 ? HEADER : undefined, after));
    }
    await store(storage, single("co_zOther", [trusting("other")], HEADER));
    await storage.close();
    const file = damage(path, "third");

    const events: DegradedEvent[] = [];
    const damaged = await createNativeStorage({ path, flavour, onDegraded: (event) => events.push(event) });
    const found = await damaged.verify();
    expect(found.damage).toMatchObject([{ file, coValues: ["co_zLong"] }]);
    expect(events.map(({ code }) => code)).toEqual(["CORRUPT"]);
    await expect(repairNativeStorage({ path })).rejects.toMatchObject({ code: "LOCKED" });
    await damaged.close();

    const report = await repairNativeStorage({ path });
    expect(report).toMatchObject({
      lost: [{ coValue: "co_zLong", session: SESSION, kept: 2, lost: 1 }],
      coValues: 2,
      coValuesLost: 0,
    });
    expect(report.damage).toMatchObject([{ file, coValues: ["co_zLong"] }]);
    expect(readdirSync(path)).toContain(report.setAside);

    const repaired = await open({ path, flavour });
    expect((await repaired.verify()).damage).toEqual([]);
    expect((await load(repaired, "co_zOther")).found).toBe(true);
    const kept = await loadWhole(repaired, "co_zLong");
    expect(kept.sessions[SESSION]?.transactions).toEqual(pieces.slice(0, 2));
    // What a peer sends, as the known state says that it is missing.
    await store(repaired, single("co_zLong", pieces.slice(2), undefined, 2));
    expect((await loadWhole(repaired, "co_zLong")).sessions[SESSION]?.transactions).toEqual(pieces);
    expect(await coValueIds(repaired)).toEqual(["co_zLong", "co_zOther"]);
  });
});

test("repairing what is no store is refused", async () => {
  const path = temporaryDirectory();
  await expect(repairNativeStorage({ path })).rejects.toMatchObject({ code: "CORRUPT" });
  writeFileSync(join(path, "letter.txt"), "not a store");
  await expect(repairNativeStorage({ path })).rejects.toMatchObject({ code: "FOREIGN_DIRECTORY" });
  // @ts-expect-error: as from JavaScript
  await expect(repairNativeStorage({})).rejects.toMatchObject({ code: "INVALID_OPTION" });
});
