/** The Node in which `node:sqlite` is measured: this one if it has it, else one that is named. */
import { spawnSync } from "node:child_process";
import { nodeSqlite } from "./sqlite-driver.mjs";

/**
 * @typedef {object} Nodes
 * @property {string | undefined} newer path of a Node that has `node:sqlite`
 * @property {boolean} apart Whether that is another Node than this one.
 * @property {string} [lacking] why there is none
 */

/**
 * @param {string | undefined} named path of another Node
 * @returns {Nodes}
 */
export function findNodes(named) {
  if (named === undefined && nodeSqlite()) return { newer: process.execPath, apart: false };
  if (named === undefined) {
    const lacking = `Node ${process.version} has no node:sqlite, which is in 22.5 and later; --newer-node names one`;
    return { newer: undefined, apart: false, lacking };
  }
  const probe = 'process.exit(process.getBuiltinModule?.("node:sqlite") ? 0 : 3)';
  const { status, error } = spawnSync(named, ["--no-warnings", "-e", probe]);
  if (status === 0) return { newer: named, apart: true };
  const lacking = status === 3 ? `${named} has no node:sqlite` : `${named} does not run: ${error ?? status}`;
  return { newer: undefined, apart: false, lacking };
}
