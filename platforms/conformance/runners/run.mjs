/**
 * The cases of the binding conformance suite through a binding for JavaScript, whatever the platform: ../README.md says what
 * the cases mean. What a platform has comes as arguments, so that nothing here belongs to one.
 */

const TOLD_WITHIN_MS = 20_000;

/** A step that did not go as expected. */
class Unexpected extends Error {}

/**
 * Runs all cases in both forms.
 *
 * @param name What the binding is called.
 * @param cases The content of `cases.json`.
 * @param binding The module with `NativeStorage`, `StorageTask` and the functions beside them.
 * @param files What the platform does to files, each function perhaps asynchronous, with paths as `temporary()` gives them:
 *   `temporary`, `read`, `write`, `cut`, `remove`, `makeDirectory`, `exists`, `list`. Null where there are none.
 * @param report Is given each line to print.
 * @returns Whether nothing failed.
 */
export async function run(name, cases, binding, files, report) {
  const counts = { passed: 0, failed: 0, "not applicable": 0 };
  for (const one of cases.cases) {
    for (const form of ["blocking", "not blocking"]) {
      if (one.needs?.includes("files") && files === null) {
        counts["not applicable"]++;
        continue;
      }
      const failure = await new Run(binding, files, form).case(one);
      counts[failure === null ? "passed" : "failed"]++;
      if (failure !== null) report(`${one.topic}: ${one.name} (${form}), ${failure}`);
    }
  }
  const total = cases.cases.length * 2;
  const results = Object.entries(counts).map(([result, count]) => `${count} ${result}`);
  report(`binding conformance: ${name}: ${total} cases, ${results.join(", ")}`);
  return counts.failed === 0;
}

/** An answer, which must be the same where it is lent: its length, it, and what has no meaning. */
function lentToo(answer, lent) {
  if (answer === null || answer === undefined) {
    if (lent !== null && lent !== undefined) throw new Unexpected("is nothing, but not where it is lent");
    return answer;
  }
  const head = new DataView(lent.buffer, lent.byteOffset).getUint32(0, true);
  if (head !== answer.length || !isSame(answer, lent.subarray(4, 4 + head)))
    throw new Unexpected("is another where it is lent");
  return answer;
}

/** A case in one form: its directory, and what it has made, by name. */
class Run {
  #binding;
  #files;
  #isBlocking;
  #directory = null;
  #made = new Map();

  constructor(binding, files, form) {
    this.#binding = binding;
    this.#files = files;
    this.#isBlocking = form === "blocking";
  }

  /** Runs the case; null if all went as expected, else what did not. */
  async case({ needs, steps }) {
    if (needs?.includes("files")) this.#directory = await this.#files.temporary();
    try {
      for (const [number, step] of steps.entries()) {
        try {
          await this.#step(step);
        } catch (error) {
          const what = error instanceof Unexpected ? error.message : (error?.stack ?? String(error));
          return `step ${number}, ${step.call ?? step.file ?? "all"}: ${what}`;
        }
      }
      return null;
    } finally {
      for (const made of this.#made.values()) letGo(made);
      if (this.#directory !== null) await this.#files.remove(this.#directory);
    }
  }

  async #step(step) {
    if (step.file !== undefined) return this.#file(step);
    if (step.call === "told") return this.#told(step);
    if (step.all === undefined) return this.#settle(step, this.#begin(step));
    if (this.#isBlocking) {
      for (const call of step.all) await this.#settle(call, this.#begin(call));
      return;
    }
    const begun = step.all.map((call) => this.#begin(call));
    // All are waited for before the first that fails is told.
    await Promise.allSettled(begun);
    for (const [place, call] of step.all.entries()) await this.#settle(call, begun[place]);
  }

  /** Begins a call: a promise of its result, in the blocking form already settled where there is such a form. */
  #begin({ call, on, as, with: args = [] }) {
    try {
      const result = this.#call(call, this.#made.get(on), this.#given(args));
      const made = result instanceof Promise ? result : Promise.resolve(result);
      // A failure is looked at when its turn comes.
      made.catch(() => {});
      if (as === undefined) return made;
      return made.then((value) => {
        this.#made.set(as, value);
        return null;
      });
    } catch (error) {
      const failed = Promise.reject(error);
      failed.catch(() => {});
      return failed;
    }
  }

  #call(call, on, args) {
    switch (call) {
      case "open":
        return this.#formOf(this.#binding.NativeStorage, call)(...args);
      case "newTask":
        return new this.#binding.StorageTask();
      case "onProgress":
      case "onEvent": {
        const heard = [];
        on[call]((value) => heard.push(value));
        return heard;
      }
      case "drop":
        return on.free?.();
      case "progress":
      case "cancel":
        return on[call](...args);
      case "load":
      case "loadPiece":
      case "knownState":
        if (this.#isBlocking) return lentToo(on[call](...args), on[`${call}Lent`](...args));
        return this.#formOf(on, call)(...args);
      default:
        return this.#formOf(on ?? this.#binding, call)(...args);
    }
  }

  /** The function of a name in the form that is run, or in the only form that there is. */
  #formOf(owner, name) {
    const names = this.#isBlocking ? [name, `${name}Async`] : [`${name}Async`, name];
    const found = names.find((form) => typeof owner[form] === "function");
    if (found === undefined) throw new Unexpected(`the binding has no ${name}`);
    return owner[found].bind(owner);
  }

  async #settle(step, begun) {
    let result;
    try {
      result = await begun;
    } catch (error) {
      if (error instanceof Unexpected) throw error;
      const got = `fails with ${error?.code}: ${error?.message}`;
      if (step.fails === undefined) throw new Unexpected(got);
      if (error?.code !== step.fails) throw new Unexpected(`${got}; expected ${step.fails}`);
      if (!(error instanceof Error)) throw new Unexpected(`${got}, which is no Error`);
      if (step.saying !== undefined && !error.message.includes(step.saying)) {
        throw new Unexpected(`${got}, which does not say ${step.saying}`);
      }
      return;
    }
    if (step.fails !== undefined) throw new Unexpected(`gives ${shown(result)}, expected ${step.fails}`);
    if ("gives" in step) this.#check(step.gives, result);
  }

  /** Waits until a listener has been told what is expected. */
  async #told({ on, gives }) {
    const heard = this.#made.get(on);
    for (const begun = Date.now(); ; ) {
      const last = heard.at(-1);
      const complete = last?.total !== undefined && last.done === last.total;
      try {
        return this.#check(gives, { times: heard.length, last, complete });
      } catch (error) {
        if (Date.now() - begun > TOLD_WITHIN_MS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Arguments of a case as the binding takes them. */
  #given(value) {
    if (Array.isArray(value)) return value.map((one) => this.#given(one));
    if (value === null || typeof value !== "object") return value;
    if ("$bytes" in value) return bytes(value.$bytes);
    if ("$path" in value) return this.#at(value.$path);
    if ("$number" in value) return Number(value.$number);
    if ("$task" in value) return this.#made.get(value.$task);
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, this.#given(field)]));
  }

  /** Fails unless `got` is what is expected. */
  #check(expected, got, where = "") {
    const unless = (fits) => {
      if (!fits) throw new Unexpected(`${where}gives ${shown(got)}, expected ${shown(expected)}`);
    };
    if (expected === null) return unless(got === null || got === undefined);
    if (typeof expected !== "object") return unless(expected === got);
    if (Array.isArray(expected)) {
      unless(Array.isArray(got) && got.length === expected.length);
      for (const [place, one] of expected.entries()) this.#check(one, got[place], `${where}[${place}] `);
      return;
    }
    if ("$bytes" in expected) return unless(isSame(bytes(expected.$bytes), got));
    if ("$path" in expected) return unless(got === this.#at(expected.$path));
    if ("$atLeast" in expected) return unless(typeof got === "number" && got >= expected.$atLeast);
    if ("$says" in expected) return unless(typeof got === "string" && got.includes(expected.$says));
    unless(typeof got === "object" && got !== null);
    for (const [name, field] of Object.entries(expected)) this.#check(field, got[name], `${where}${name} `);
  }

  #at(path) {
    return `${this.#directory}/${path}`;
  }

  async #file({ file, path, bytes: content, at, names }) {
    const files = this.#files;
    const place = await this.#place(path);
    const exists = async () => place !== null && (await files.exists(place));
    if (file === "absent") {
      if (await exists()) throw new Unexpected(`${path} is there`);
      return;
    }
    if (place === null || (file === "exists" && !(await exists()))) {
      throw new Unexpected(`${path} is not there`);
    }
    switch (file) {
      case "exists":
        return;
      case "write":
        return files.write(place, bytes(content.$bytes));
      case "flip": {
        const present = Uint8Array.from(await files.read(place));
        if (at >= present.length) throw new Unexpected(`${path} ends before ${at}`);
        present[at] ^= 0xff;
        return files.write(place, present);
      }
      case "cut":
        return files.cut(place, at);
      case "remove":
        return files.remove(place);
      case "makeDirectory":
        return files.makeDirectory(place);
      case "lists":
        return this.#check(names, (await files.list(place)).sort());
      default:
        throw new Unexpected(`there is no step ${file}`);
    }
  }

  /** The path of a step; of one with a `*`, the first that fits; null if there is none. */
  async #place(path) {
    if (!path.includes("*")) return this.#at(path);
    const [start, end] = path.split("*");
    const slash = start.lastIndexOf("/") + 1;
    const names = await this.#files.list(this.#at(start.slice(0, slash)));
    const fits = (name) => name.startsWith(start.slice(slash)) && name.endsWith(end);
    const first = names.filter(fits).sort()[0];
    return first === undefined ? null : this.#at(start.slice(0, slash) + first);
  }
}

/** Closes what a case has made, so that its directory can be removed. */
function letGo(made) {
  try {
    made?.close?.();
    made?.free?.();
  } catch {
    // It was damaged on purpose, or let go of before.
  }
}

/** The bytes that an expression stands for. */
function bytes(parts) {
  const target = { bytes: new Uint8Array(256), length: 0 };
  append(target, parts, 0);
  return target.bytes.slice(0, target.length);
}

function append(target, parts, number) {
  for (const part of parts) {
    if (Array.isArray(part)) {
      const [times, ...repeated] = part;
      const from = target.length;
      append(target, repeated, number);
      const once = target.length - from;
      make(target, once * (times - 1));
      for (let to = from + once; to < from + once * times; to += once) {
        target.bytes.copyWithin(to, from, from + once);
      }
      target.length = from + once * times;
    } else if (typeof part === "object") {
      for (let each = part.from; each < part.to; each++) append(target, part.of, each);
    } else {
      put(target, part, number);
    }
  }
}

/** Appends a part that is a string. */
function put(target, part, number) {
  const [kind, rest] = [part[0], part.slice(1)];
  const text = kind === "#" ? String(number).padStart(Number(rest), "0") : rest;
  const length = kind === "x" ? text.length / 2 : text.length;
  make(target, length);
  for (let place = 0; place < length; place++) {
    target.bytes[target.length++] =
      kind === "x" ? Number.parseInt(text.slice(place * 2, place * 2 + 2), 16) : text.charCodeAt(place);
  }
}

/** Makes room for so many bytes more. */
function make(target, more) {
  if (target.length + more <= target.bytes.length) return;
  const larger = new Uint8Array(Math.max(target.bytes.length * 2, target.length + more));
  larger.set(target.bytes);
  target.bytes = larger;
}

function isSame(expected, got) {
  if (!(got instanceof Uint8Array) || expected.length !== got.length) return false;
  return expected.every((byte, place) => byte === got[place]);
}

/** A value for people, cut where it is long. */
function shown(value) {
  const hex = (list) =>
    `0x${Array.from(list.subarray(0, 400), (b) => b.toString(16).padStart(2, "0")).join("")}`;
  const text = JSON.stringify(value, (_, field) => {
    if (field instanceof Uint8Array) return `${hex(field)} (${field.length} bytes)`;
    return field?.$bytes ? shown(bytes(field.$bytes)) : field;
  });
  return text?.slice(0, 1000) ?? String(value);
}
