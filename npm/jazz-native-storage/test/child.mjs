/**
 * A second process. Its argument is JSON: `{ do, ... }`; what it finds is printed as one line of JSON. It uses the built
 * package, as an app does.
 */
import { createHash } from "node:crypto";
import { createNativeStorage, createNativeStorageSync } from "../dist/index.js";

const { do: task, options, id, messages, large } = JSON.parse(process.argv[2]);

const tasks = {
  /** Opens the store and tells how that went. */
  async open() {
    const storage = await createNativeStorage(options);
    storage.close();
    return { opened: true };
  },
  /** Holds the store until it is killed. */
  async hold() {
    createNativeStorageSync(options);
    print({ pid: process.pid });
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
  /** Stores messages, tells so, and waits to be killed. */
  async storeAndHang() {
    const storage = await createNativeStorage(options);
    for (const content of messages)
      await new Promise((done) => storage.store(content, () => undefined, done));
    print({ stored: messages.length });
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
  /** Loads a value: its messages, or their digest if they are large. */
  async load() {
    const storage = await createNativeStorage(options);
    const loaded = [];
    await storage.load(id, (content) => loaded.push(content));
    for (let next = storage.streamingQueue?.pull(); next; next = storage.streamingQueue?.pull()) next();
    await storage.close();
    const text = JSON.stringify(loaded);
    return large ? { digest: createHash("sha256").update(text).digest("hex") } : { loaded };
  },
  /** Stores message after message until one fails; tells what could be seen of that. */
  async storeUntilFailure() {
    const events = [];
    const storage = await createNativeStorage({ ...options, onDegraded: ({ code }) => events.push(code) });
    let stored = 0;
    let failure;
    const [template] = messages;
    while (stored < 100_000 && !failure && events.length === 0) {
      const content = { ...template, id: `${template.id}${stored}` };
      try {
        const done = new Promise((resolve, reject) => {
          storage.store(content, () => undefined, resolve);
          if (options.flavour === "async") storage.flush().then(reject, reject);
        });
        await done;
        stored++;
      } catch (error) {
        failure = error?.code ?? "not stored";
      }
    }
    const lastId = `${template.id}${stored}`;
    const known = storage.getKnownState(lastId);
    const found = [];
    for (const one of [0, stored - 1, stored]) {
      await new Promise((done) =>
        storage.load(
          `${template.id}${one}`,
          () => {},
          (it) => done(found.push(it)),
        ),
      );
    }
    let again;
    try {
      storage.store(
        { ...template, id: "co_zAgain" },
        () => undefined,
        () => {
          again = "stored";
        },
      );
      await storage.flush();
    } catch (error) {
      again ??= error.code;
    }
    await storage.close();
    return { stored, failure, events, known, found, again };
  },
};

function print(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

try {
  const result = await tasks[task]();
  if (result) print(result);
} catch (error) {
  print({ code: error.code, name: error.name, message: error.message });
}
