/** A storage in a dedicated worker of the app's own, which does what the page tells it. */
import { createNativeStorage, type JazzNativeStorage } from "jazz-native-storage";
import { message } from "./messages.js";

/** Workers that this one starts: none, as long as the engine is here. */
let workers = 0;
globalThis.Worker = class extends Worker {
  constructor(...of: ConstructorParameters<typeof Worker>) {
    super(...of);
    workers++;
  }
};

let storage: JazzNativeStorage;

const does = {
  async open(name: string) {
    storage = await createNativeStorage({ dbName: name });
    return { workers };
  },

  /** Stores new values and gives how many of them are found. */
  async store(prefix: string, count: number) {
    for (let n = 0; n < count; n++) {
      storage.store(message(`${prefix}${n}`, "sealer_z1/signer_z1_session_z1", 0, 1, 100), () => undefined);
    }
    await storage.flush();
    return await does.find(prefix, count);
  },

  async find(prefix: string, count: number) {
    let found = 0;
    for (let n = 0; n < count; n++) {
      await storage.load(
        `${prefix}${n}`,
        () => {},
        (isFound) => {
          if (isFound) found++;
        },
      );
    }
    return found;
  },

  async close() {
    await storage.close();
    return { workers };
  },
};

export type OwnWorker = typeof does;

addEventListener("message", ({ data }: MessageEvent<[keyof OwnWorker, ...unknown[]]>) => {
  const [what, ...of] = data;
  (does[what] as (...of: unknown[]) => Promise<unknown>)(...of).then(
    (result) => postMessage({ result }),
    ({ code, message: text }) => postMessage({ error: { code, message: text } }),
  );
});
