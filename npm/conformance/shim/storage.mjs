/** Opens our storage where cojson's tests open their own: the sync opener the sync flavour, the async one the async. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createNativeStorage, createNativeStorageSync } from "jazz-native-storage";
import { beforeEach } from "vitest";

/** The meta of the running test, in which the reporter finds the flavours it opened. */
let meta = {};

beforeEach((context) => {
  meta = context.task.meta;
});

export function getSqliteStorage(driver) {
  const options = optionsFor(driver, "sync");
  return withQueueReader(createNativeStorageSync(options));
}

export async function getSqliteStorageAsync(driver) {
  const options = optionsFor(driver, "async");
  return withQueueReader(await createNativeStorage(options));
}

/** One directory for each file name, so that two storages on one file are two on one directory. */
function optionsFor(driver, flavour) {
  meta.flavours = { ...meta.flavours, [flavour]: true };
  const { db } = driver;
  const root = process.env.JAZZ_CONFORMANCE_STORES;
  mkdirSync(root, { recursive: true });
  const current = meta;
  return {
    path: join(root, basename(db.filename)),
    flavour,
    onDegraded: ({ code, message }) => {
      current.degraded = `${code}: ${message}`;
    },
  };
}

/** The one question that cojson's tests ask of the private row client without spying on it. */
function withQueueReader(storage) {
  storage.dbClient = { getAllCoValuesWaitingForDelete: () => storage.pendingDeletions() };
  return storage;
}
