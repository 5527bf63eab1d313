/**
 * The program whose system calls are watched: stores messages, each with a content that is found again in what is written
 * to the log, and after each `done` writes a line to the file given: `done` and the number of the message.
 *
 *   node program.mjs FLAVOUR DURABILITY WAVES MESSAGES_PER_WAVE STORAGES DIRECTORY MARKERS [--sabotage]
 *
 * The messages of a wave are under way at the same time, by as many storages on one directory in turns; `--sabotage`
 * writes the lines before the messages are stored.
 */
import { openSync, writeSync } from "node:fs";
import { createNativeStorage } from "../../dist/index.js";

const [flavour, durability, waves, perWave, storages, path, markers, sabotage] = process.argv.slice(2);
const header = { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta: null };
const file = openSync(markers, "w");
const mark = (n) => writeSync(file, `done ${n};\n`);

const open = [];
for (let n = 0; n < Number(storages); n++)
  open.push(await createNativeStorage({ path, flavour, durability }));
let n = 0;
for (let wave = 0; wave < Number(waves); wave++) {
  const stored = [];
  for (let i = 0; i < Number(perWave); i++, n++) stored.push(store(open[i % open.length], n));
  await Promise.all(stored);
}
for (const storage of open) await storage.close();

function store(storage, n) {
  const transaction = { changes: `["message ${n};"]`, madeAt: n, privacy: "trusting" };
  const session = { after: 0, lastSignature: `signature_z${n}`, newTransactions: [transaction] };
  const message = {
    action: "content",
    id: `co_z${n}`,
    header,
    priority: 3,
    new: { co_zA_session_z1: session },
  };
  if (sabotage) mark(n);
  return new Promise((resolve) => {
    const done = () => {
      if (!sabotage) mark(n);
      resolve();
    };
    storage.store(message, () => process.exit(3), done);
  });
}
