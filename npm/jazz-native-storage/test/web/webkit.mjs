/** WebKitGTK, driven by the few calls of the W3C's WebDriver protocol that are needed, on a display of its own. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { pause } from "./browsers.mjs";

const STARTS_MS = 20_000;

/** Opens a page, and waits until this script gives true in it. */
export async function openWebKit(url, ready) {
  const port = await freePort();
  const program = process.env.WEBKIT_DRIVER_PATH ?? "WebKitWebDriver";
  const driver = spawn("xvfb-run", ["-a", program, `--port=${port}`], {
    stdio: "ignore",
    detached: true,
    // As root it has no sandbox.
    env: { ...process.env, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" },
  });
  const failed = new Promise((_, reject) => driver.once("error", reject));
  failed.catch(() => {});
  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`WebDriver ${path}: ${value.message}`);
    return value;
  };
  const stop = () => process.kill(-driver.pid, "SIGTERM");
  try {
    for (const until = Date.now() + STARTS_MS; ; ) {
      const isReady = await Promise.race([call("GET", "/status").catch(() => undefined), failed]);
      if (isReady) break;
      if (Date.now() > until) throw new Error(`${program} does not start`);
      await pause(50);
    }
    const { sessionId } = await call("POST", "/session", { capabilities: {} });
    const session = `/session/${sessionId}`;
    const execute = (script, args = []) => call("POST", `${session}/execute/sync`, { script, args });
    const untilReady = async () => {
      for (const until = Date.now() + STARTS_MS; !(await execute(ready)); ) {
        if (Date.now() > until) throw new Error(`${url} is not ready`);
        await pause(50);
      }
    };
    await call("POST", `${session}/timeouts`, { script: 60_000 });
    await call("POST", `${session}/url`, { url });
    await untilReady();
    return {
      /** Runs the body of an asynchronous function, which may give something; `of` is what it is given. */
      async run(body, of) {
        const script = `const done = arguments[arguments.length - 1];
          (async (of) => { ${body} })(arguments[0]).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
        const { value, error } = await call("POST", `${session}/execute/async`, {
          script,
          args: [of ?? null],
        });
        if (error) throw new Error(error);
        return value;
      },
      async reload() {
        await call("POST", `${session}/refresh`, {});
        await untilReady();
      },
      async close() {
        await call("DELETE", session).catch(() => {});
        stop();
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
