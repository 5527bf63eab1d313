/** Reads what `strace -f -y` writes: which calls there were, on which files, and which came after which. */

/**
 * @typedef {object} Call
 * @property {string} name
 * @property {string} thread
 * @property {string} path the file of its first argument, a descriptor
 * @property {string} text its line, or its two lines
 * @property {number} start
 * @property {number} end
 *
 * `start` and `end` are numbers of lines. A thread waits for strace both before and after each call, and strace writes a
 * line whenever another thread's call comes between. So a call whose end is before another's start was over before the
 * other began.
 */

const WHOLE = /^(\d+)\s+(\w+)\((?:\d+<([^>]*)>)?(.*)\)\s+= (-?\d+)/s;
const UNFINISHED = /^(\d+)\s+(\w+)\((?:\d+<([^>]*)>)?(.*)<unfinished \.\.\.>$/s;
const RESUMED = /^(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+)/s;

/**
 * @param {string} text
 * @returns {Call[]} the calls that succeeded, by their ends
 */
export function readTrace(text) {
  const calls = [];
  /** Calls that have begun, by their threads: a thread has one at a time. */
  const begun = new Map();
  for (const [number, line] of text.split("\n").entries()) {
    const unfinished = UNFINISHED.exec(line);
    const resumed = unfinished ? null : RESUMED.exec(line);
    const whole = unfinished || resumed ? null : WHOLE.exec(line);
    if (unfinished) {
      const [, thread, name, path, rest] = unfinished;
      begun.set(thread, { name, thread, path: path ?? "", text: rest, start: number });
    } else if (resumed) {
      const [, thread, name, rest, result] = resumed;
      const call = begun.get(thread);
      if (call?.name !== name)
        throw new Error(`line ${number + 1} resumes a call that has not begun: ${line}`);
      begun.delete(thread);
      if (Number(result) >= 0) calls.push({ ...call, text: call.text + rest, end: number });
    } else if (whole) {
      const [, thread, name, path, rest, result] = whole;
      if (Number(result) >= 0)
        calls.push({ name, thread, path: path ?? "", text: rest, start: number, end: number });
    }
  }
  return calls;
}
