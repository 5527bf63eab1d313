/** Numbers that look random and are the same in every run that starts from the same seed. */

/** @typedef {() => number} Random Gives a number from 0, inclusive, to 1, exclusive. */

/**
 * A generator of the splitmix kind: a counter, its bits mixed twice.
 *
 * @param {number} seed a whole number
 * @returns {Random}
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
}

/**
 * A whole number from 0, inclusive, to `end`, exclusive.
 *
 * @param {Random} random
 * @param {number} end
 */
export function below(random, end) {
  return Math.floor(random() * end);
}

/**
 * @template T
 * @param {Random} random
 * @param {readonly T[]} items at least one
 * @returns {T}
 */
export function pick(random, items) {
  return /** @type {T} */ (items[below(random, items.length)]);
}

/**
 * The same items in another order.
 *
 * @template T
 * @param {Random} random
 * @param {readonly T[]} items
 * @returns {T[]}
 */
export function shuffled(random, items) {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    [result[last], result[other]] = [/** @type {T} */ (result[other]), /** @type {T} */ (result[last])];
  }
  return result;
}

const WORDS =
  "amber basalt canyon drift ember fjord grove harbor island jetty kelp lagoon meadow naïve orchard prairie quarry ravine straße tundra über valley willow señal 河 森 🌊".split(
    " ",
  );

/**
 * Words, some of them not ASCII, of about `length` characters in all.
 *
 * @param {Random} random
 * @param {number} length
 */
export function text(random, length) {
  let result = pick(random, WORDS);
  while (result.length < length) result += ` ${pick(random, WORDS)}`;
  return result;
}
