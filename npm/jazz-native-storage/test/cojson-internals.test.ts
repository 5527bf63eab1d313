/** Fails, naming what is missing, when a version of cojson moves something this package takes from its insides. */
import { cojsonInternals, logger } from "cojson";
import { describe, expect, test } from "vitest";

const DEEP_IMPORTS = {
  "cojson/dist/storage/knownState.js": {
    export: "StorageKnownState",
    methods: [
      "getKnownState",
      "getCachedKnownState",
      "setKnownState",
      "handleUpdate",
      "waitForSync",
      "deleteKnownState",
    ],
    fields: ["knownStates", "waitForSyncRequests"],
  },
  "cojson/dist/queue/StorageStreamingQueue.js": {
    export: "StorageStreamingQueue",
    methods: ["push", "pull", "isEmpty", "setListener", "emit"],
    fields: [],
  },
  "cojson/dist/storage/DeletedCoValuesEraserScheduler.js": {
    export: "DeletedCoValuesEraserScheduler",
    methods: ["scheduleStartupDrain", "onEnqueueDeletedCoValue", "dispose"],
    fields: [],
  },
};

type Instance = Record<string, unknown>;

describe("cojson still has", () => {
  test.each(Object.entries(DEEP_IMPORTS))("%s", async (path, { export: name, methods, fields }) => {
    const module = (await import(/* @vite-ignore */ path)) as Record<string, unknown>;
    expect(module, `${path} has no export ${name}`).toHaveProperty(name);
    const Class = module[name] as new (options: object) => Instance;
    const instance = new Class({ run: async () => ({ hasMore: false }) });
    for (const method of methods) expect(instance[method], `${name}.${method}`).toBeTypeOf("function");
    for (const field of fields) expect(instance[field], `${name}.${field}`).toBeInstanceOf(Map);
  });

  test("its internals", () => {
    expect(cojsonInternals.getDependedOnCoValuesFromRawData).toBeTypeOf("function");
    expect(cojsonInternals.getPriorityFromHeader).toBeTypeOf("function");
    expect(cojsonInternals.TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE).toBeTypeOf("number");
    expect(cojsonInternals.STORAGE_RECONCILIATION_CONFIG.LOCK_TTL_MS).toBeTypeOf("number");
    expect(cojsonInternals.STORAGE_RECONCILIATION_CONFIG.RECONCILIATION_INTERVAL_MS).toBeTypeOf("number");
    expect(logger.error).toBeTypeOf("function");
    expect(logger.warn).toBeTypeOf("function");
  });
});
