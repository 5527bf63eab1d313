/** Runs test files of the package by Vitest's runner where Vitest itself does not run, and tells what became of each test. */
import { startTests, type VitestRunner, type VitestRunnerConfig } from "@vitest/runner";

/** Those that need no files, processes or addon. */
const FILES: Record<string, () => Promise<unknown>> = {
  storage: () => import("../storage.test.js"),
  "sqlite-only-behaviours": () => import("../sqlite-only-behaviours.test.js"),
  codec: () => import("../codec.test.js"),
  node: () => import("../node.test.js"),
};

interface Task {
  readonly type: string;
  readonly name: string;
  readonly mode: string;
  readonly tasks?: Task[];
  readonly result?: {
    readonly state: string;
    readonly duration?: number;
    readonly errors?: { readonly stack?: string; readonly message?: string }[];
  };
}

export interface Outcome {
  readonly name: string;
  readonly state: string;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly error: string | undefined;
}

function outcomes({ name, tasks, result, mode }: Task): Outcome[] {
  const [first] = result?.errors ?? [];
  const error = first && `${first.message}\n${first.stack}`;
  const own = { name, state: result?.state ?? mode, duration: result?.duration, error };
  if (!tasks) return [own];
  const within = tasks.flatMap(outcomes).map((each) => ({ ...each, name: `${name} > ${each.name}` }));
  // A file that could not be read has no tests.
  return within.length === 0 ? [own] : within;
}

export async function run(files: readonly string[]): Promise<Outcome[]> {
  const config = {
    root: "/",
    sequence: { seed: 1, hooks: "stack", setupFiles: "list" },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
    includeTaskLocation: false,
    passWithNoTests: false,
    setupFiles: [],
    tags: [],
    strictTags: false,
  } as unknown as VitestRunnerConfig;
  const runner: VitestRunner = {
    config,
    importFile: (file) => FILES[file]?.() ?? Promise.reject(new Error(`there is no ${file}`)),
  };
  const done = await startTests(files.map((filepath) => ({ filepath })) as never, runner);
  return (done as unknown as Task[]).flatMap(outcomes);
}
