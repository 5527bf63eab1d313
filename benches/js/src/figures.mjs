/** Statistics of repeated measurements, and how figures are written. */

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** @param {readonly number[]} values at least one */
export function range(values) {
  return { min: Math.min(...values), max: Math.max(...values) };
}

/**
 * How far apart the values are: the largest less the smallest, in parts of the median.
 *
 * @param {readonly number[]} values at least one
 */
export function spread(values) {
  const { min, max } = range(values);
  return (max - min) / median(values);
}

/**
 * The smallest value that so many percent of all values do not exceed.
 *
 * @param {Float32Array} sorted at least one, in ascending order
 * @param {number} percent
 */
export function percentile(sorted, percent) {
  const rank = Math.ceil((percent * sorted.length) / 100);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}

/** @param {number} milliseconds */
export function duration(milliseconds) {
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
}

/** @param {number} value in microseconds, which the heading has to say */
export function microseconds(value) {
  return value.toFixed(value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** @param {number} count */
export function bytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

/** @param {number} value */
export function count(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} part */
export function percent(part) {
  return `${(part * 100).toFixed(0)} %`;
}

/** @param {number} factor */
export function times(factor) {
  return `${factor.toFixed(factor < 10 ? 2 : 1)}x`;
}

/**
 * Lines of a table: the first column to the left, the others to the right.
 *
 * @param {readonly (readonly string[])[]} rows the first one names the columns
 * @returns {string}
 */
export function table(rows) {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.map((line) => `  ${line}`).join("\n");
}
