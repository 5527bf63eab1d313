/** A page that runs test files of the package. */
import { run } from "../../elsewhere/run.js";

Object.assign(globalThis, { tests: { run } });
