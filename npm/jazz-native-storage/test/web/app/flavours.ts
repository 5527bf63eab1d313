import type { Flavour } from "../../../src/index.js";

export const FLAVOURS: readonly Flavour[] = ["async"];
