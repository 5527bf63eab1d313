/**
 * Making a database of an archive, in a worker. Nobody else may have the database open: the page holds the lock of who leads.
 *
 * A database that holds anything is left as it is. One that was not completed, as its page was left, is begun anew.
 */
import type { BackupResult } from "../generated/native.js";
import { ARCHIVES } from "../host/archives.js";
import { OpfsPool } from "../host/opfs-pool.js";
import { ARCHIVE_FILES, databases, type EngineModule, mount } from "./engine-context.js";
import { directoryOf, storePath } from "./names.js";

const ARCHIVE = "restored";
/** Stands in a store that is being copied (storage-core/src/engine/backup/target.rs). */
const INCOMPLETE = "/INCOMPLETE";

/** Bytes of an archive's header up to the number of its entries, and of what each of them has at least. */
const ENTRIES_AT = 12;
const ENTRY_BYTES = 36;
/** Files of a store besides. */
const OTHER_FILES = 16;

export async function restoreDatabase(
  database: string,
  archive: Blob,
  module: EngineModule,
  /** Told before anything is written to a database that has nothing. */
  begin: () => void,
): Promise<BackupResult> {
  const all = await databases();
  const directory = directoryOf(database);
  const pool = await OpfsPool.open(await all.getDirectoryHandle(directory, { create: true }));
  let isNew = false;
  try {
    clearIncomplete(pool, database);
    isNew = [...pool.names()].length === 0;
    if (isNew) begin();
    if (isNew) await pool.refill(OTHER_FILES + (await entriesOf(archive)));
    module.setHost(mount(database, pool));
    ARCHIVE_FILES.offer(ARCHIVE, archive);
    const from = { file: `/${ARCHIVES}/${ARCHIVE}` };
    const restored = await module.restoreBackupAsync(from, storePath(database), new module.StorageTask());
    isNew = false;
    return restored;
  } finally {
    pool.close();
    if (isNew) await all.removeEntry(directory, { recursive: true });
  }
}

function clearIncomplete(pool: OpfsPool, database: string): void {
  const store = storePath(database).slice(1 + directoryOf(database).length);
  if (!pool.find(store + INCOMPLETE)) return;
  const names = [...pool.names()].filter((name) => name.startsWith(`${store}/`));
  // The mark goes last.
  names.sort((a, b) => Number(a === store + INCOMPLETE) - Number(b === store + INCOMPLETE));
  for (const name of names) {
    const file = pool.find(name);
    if (file) pool.remove(file);
  }
  pool.syncNames();
}

/** How many files the archive says it has, as far as that can be: whether it is one at all, the engine finds out. */
async function entriesOf(archive: Blob): Promise<number> {
  if (archive.size < ENTRIES_AT + 4) return 0;
  const header = new DataView(await archive.slice(0, ENTRIES_AT + 4).arrayBuffer());
  const magic = new TextDecoder().decode(new Uint8Array(header.buffer, 0, 8));
  return magic === "JAZZBAK\0" ? Math.min(header.getUint32(ENTRIES_AT, true), archive.size / ENTRY_BYTES) : 0;
}
