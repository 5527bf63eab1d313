/** A storage in a shared worker, which cannot run an engine in Chromium: it follows the page that does. */
import { createNativeStorage } from "jazz-native-storage";
import { message } from "./messages.js";

async function work(name: string, count: number) {
  const storage = await createNativeStorage({ dbName: name });
  let stored = 0;
  for (let n = 0; n < count; n++) {
    const content = message(`co_zshared${n}`, "sealer_z1/signer_z1_session_z1", 0, 1, 100);
    storage.store(
      content,
      () => undefined,
      () => stored++,
    );
  }
  await storage.flush();
  await storage.close();
  return { stored };
}

addEventListener("connect", (event) => {
  const [port] = (event as MessageEvent).ports;
  if (!port) return;
  port.onmessage = ({ data }: MessageEvent<{ name: string; count: number }>) => {
    work(data.name, data.count).then(
      (result) => port.postMessage(result),
      ({ code, message: text }) => port.postMessage({ code, message: text }),
    );
  };
});
