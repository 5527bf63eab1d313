/** A second process. Its argument is JSON: `{ do, binding, ... }`; what it finds is printed as one line of JSON. */
import { message, text } from "../../napi/test/forms.mjs";
import { bindings } from "./modules.mjs";

const { do: task, binding, path, count } = JSON.parse(process.argv[2]);
const { NativeStorage } = await bindings[binding]();

const tasks = {
  /** Opens the store and closes it. */
  open() {
    NativeStorage.open({ path }).close();
    return { opened: true };
  },
  /** Holds the store until it is killed. */
  hold() {
    globalThis.held = NativeStorage.open({ path });
    setTimeout(() => undefined, 600_000);
    return { pid: process.pid };
  },
  /** Stores messages and ends without closing. */
  store() {
    const storage = NativeStorage.open({ path });
    for (let n = 0; n < count; n++) storage.store(message(`co_z${n}`, { changes: `${n},`.repeat(n) }));
    return { stored: storage.coValueCount() };
  },
  /** Loads what `store` stored. */
  load() {
    const storage = NativeStorage.open({ path });
    const loaded = [];
    for (let n = 0; n < count; n++) {
      const bytes = storage.load(text(`co_z${n}`), 1e9);
      loaded.push(Buffer.from(bytes).includes(`${n},`.repeat(n)));
    }
    storage.close();
    return { loaded: loaded.filter(Boolean).length };
  },
};

let answer;
try {
  answer = tasks[task]();
} catch (error) {
  answer = { code: error.code, message: error.message };
}
process.stdout.write(`${JSON.stringify(answer)}\n`);
