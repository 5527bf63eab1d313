/**
 * What the tests import as `vitest` in workerd and in browsers: Vitest's own runner, assertions and spies, without what needs
 * Node around them. Nothing of it is less strict: an assertion that is missing here fails its test.
 */

import * as matchers from "@vitest/expect";
import {
  ChaiStyleAssertions,
  chai,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from "@vitest/expect";
import * as spies from "@vitest/spy";

export { afterEach, beforeEach, describe, onTestFinished, test } from "@vitest/runner";

for (const plugin of [JestExtend, JestChaiExpect, ChaiStyleAssertions, JestAsymmetricMatchers])
  chai.use(plugin);

interface Matchers {
  toBe(expected: unknown): void;
}

function pollUntil(value: () => unknown) {
  return {
    toBe: (expected: unknown) => waitFor(() => (expect(value()) as unknown as Matchers).toBe(expected)),
  };
}

export const expect = Object.assign(
  (value: unknown, message?: string) => chai.expect(value, message),
  chai.expect,
  (globalThis as never as Record<symbol, object>)[matchers.ASYMMETRIC_MATCHERS_OBJECT],
  { poll: pollUntil },
);
matchers.setState({ assertionCalls: 0 }, expect as never);

async function waitFor<T>(
  check: () => T | Promise<T>,
  within: number | { timeout?: number } = {},
): Promise<T> {
  const { timeout = 1000 } = typeof within === "number" ? { timeout: within } : within;
  for (const begun = Date.now(); ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() - begun > timeout) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Timers that run when a test says so. */
class Timers {
  private readonly real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  private readonly due = new Map<number, { at: number; run: () => void }>();
  private now = 0;
  private last = 0;

  install(): void {
    const later = (run: () => void, delay = 0) => {
      this.due.set(++this.last, { at: this.now + delay, run });
      return this.last;
    };
    Object.assign(globalThis, {
      setTimeout: later,
      clearTimeout: (timer: number) => this.due.delete(timer),
    });
  }

  uninstall(): void {
    Object.assign(globalThis, this.real);
  }

  async advance(by: number): Promise<void> {
    const end = this.now + by;
    for (;;) {
      // What was begun by the timer before may begin others.
      await new Promise((resolve) => this.real.setTimeout(resolve, 0));
      const next = [...this.due].sort(([, a], [, b]) => a.at - b.at).find(([, { at }]) => at <= end);
      if (!next) break;
      const [timer, { at, run }] = next;
      this.due.delete(timer);
      this.now = at;
      run();
    }
    this.now = end;
  }
}

let timers: Timers | undefined;

export const vi = {
  fn: spies.fn,
  spyOn: spies.spyOn,
  waitFor,
  useFakeTimers: () => {
    timers = new Timers();
    timers.install();
  },
  useRealTimers: () => timers?.uninstall(),
  advanceTimersByTimeAsync: (by: number) => timers?.advance(by),
};
