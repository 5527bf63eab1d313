/**
 * Browsers for tests, and what can happen to them: pages that are frozen, crash or are left, browsers that are killed, disks
 * that are full. Chromium is driven by its own protocol, Firefox by WebDriver BiDi.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import puppeteer from "puppeteer-core";
import { build } from "vite";

export const PROGRAMS = {
  chromium: process.env.CHROME_PATH ?? "/usr/bin/chromium",
  firefox: process.env.FIREFOX_PATH ?? "/usr/bin/firefox-esr",
};

const root = resolve(import.meta.dirname, "../../../..");

/** Nothing that asks the network; and what a browser needs to run as root. */
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export const pause = (ms) => new Promise((over) => setTimeout(over, ms));

/** What lets a page measure memory: nothing of other origins is in its process. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Serves a directory on this machine; `isDeployed`: as for users, isolated from other origins and kept by browsers. */
export async function serve(directory, { isDeployed = false } = {}) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    const file = join(directory, path.endsWith("/") ? `${path}index.html` : path);
    try {
      const content = await readFile(file);
      response.writeHead(200, {
        "content-type": TYPES[extname(file)] ?? "application/octet-stream",
        "cache-control": isDeployed ? "max-age=3600" : "no-store",
        ...(isDeployed ? ISOLATION : {}),
      });
      response.end(content);
    } catch {
      response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    }
  });
  await new Promise((listening) => server.listen(0, "localhost", listening));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://localhost:${server.address().port}/`, close };
}

/** Builds the page of the tests as an app would be, and serves it. */
export async function serveLab() {
  await build({
    root: join(import.meta.dirname, "app"),
    configFile: join(import.meta.dirname, "app/vite.config.mjs"),
  });
  return await serve(join(root, "target/web/lab"));
}

/** A directory for what a browser keeps. */
export function makeProfile() {
  return mkdtempSync(join(tmpdir(), "jazz-native-storage-profile-"));
}

export function removeProfile(profile) {
  rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/** Starts a browser. `isPrivate`: as in a private window. */
export async function launch(kind, { profile = makeProfile(), keepProfile = false, isPrivate = false } = {}) {
  if (!existsSync(PROGRAMS[kind])) throw new Error(`there is no ${PROGRAMS[kind]}`);
  const common = {
    executablePath: PROGRAMS[kind],
    headless: true,
    userDataDir: profile,
    protocolTimeout: 170_000,
  };
  const browser = await puppeteer.launch(
    kind === "chromium"
      ? { ...common, args: isPrivate ? [...CHROMIUM_FLAGS, "--incognito"] : CHROMIUM_FLAGS }
      : {
          ...common,
          browser: "firefox",
          extraPrefsFirefox: { "browser.privatebrowsing.autostart": isPrivate },
        },
  );
  const forget = () => keepProfile || removeProfile(profile);
  return {
    kind,
    browser,
    profile,
    /** A page at this address. What goes wrong in it unasked is in `problems`. */
    async open(url, { ready = "globalThis.lab" } = {}) {
      const page = await browser.newPage();
      page.problems = [];
      page.on("pageerror", (error) => page.problems.push(error.message));
      page.on("console", (line) => line.type() === "error" && page.problems.push(line.text()));
      await page.goto(url);
      await page.waitForFunction(ready);
      return page;
    },
    /** Ends all of its processes at once, as a power button does. */
    async kill() {
      const { pid } = browser.process();
      const gone = new Promise((exited) => browser.process().once("exit", exited));
      for (const child of [...descendants(pid), pid]) {
        try {
          process.kill(child, "SIGKILL");
        } catch {
          // It has ended with another one.
        }
      }
      await gone;
      await browser.disconnect().catch?.(() => {});
      forget();
    },
    async close() {
      await browser.close();
      forget();
    },
  };
}

/** The processes below one. */
function descendants(pid) {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const pairs = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent) =>
    pairs.filter(([, of]) => of === parent).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

/** Chromium only: stops all that a page does, as it does with tabs in the background. */
export async function freeze(page) {
  const session = await page.createCDPSession();
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
}

/** Lets it go on. */
export async function thaw(page) {
  const session = await page.createCDPSession();
  await session.send("Page.setWebLifecycleState", { state: "active" });
}

/** Chromium only: ends the process of a page. */
export async function crash(page) {
  const session = await page.createCDPSession();
  // It has no answer.
  session.send("Page.crash").catch(() => {});
  await new Promise((crashed) => page.once("error", crashed));
}

/** Chromium only: how many bytes an origin may have from now on. */
export async function quota(page, bytes) {
  const session = await page.createCDPSession();
  const { origin } = new URL(page.url());
  await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: bytes });
}
