import type { Flavour } from "../src/index.js";

/** Those that the tests are run in: browsers have one of their own in place of this file. */
export const FLAVOURS: readonly Flavour[] = ["sync", "async"];
