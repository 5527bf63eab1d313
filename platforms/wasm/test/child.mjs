/** A second process. Its argument is JSON: `{ do, binding, ... }`; what it finds is printed as one line of JSON. */
import { message, text } from "../../napi/test/forms.mjs";
import { bindings } from "./modules.mjs";

const { do: task, binding, path, count } = JSON.parse(process.argv[2]);
const { NativeStorage, StorageTask } = await bindings[binding]();

const tasks = {
  /** Opens the store and closes it. */
  open() {
    NativeStorage.open({ path }).close();
    return { opened: true };
  },
  /** Listens with a function that throws, and goes on. */
  async throwFromListener() {
    let thrown;
    process.on("uncaughtException", ({ message }) => {
      thrown = message;
    });
    const storage = NativeStorage.open({ durability: "memory" });
    storage.store(message("co_z1"));
    const task = new StorageTask();
    task.onProgress(() => {
      throw new Error("from a listener");
    });
    await storage.verifyAsync(task);
    await new Promise((resolve) => setImmediate(resolve));
    const loaded = (await storage.loadAsync(text("co_zUnknown"), 1e9)) ?? null;
    return { thrown, loaded, count: await storage.coValueCountAsync() };
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
  answer = await tasks[task]();
} catch (error) {
  answer = { code: error.code, message: error.message };
}
process.stdout.write(`${JSON.stringify(answer)}\n`);
