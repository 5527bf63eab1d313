/**
 * Stands in for the SQLite driver of cojson's tests: it only carries the file name to the opener of our storage. Tests that
 * query the database itself fail here; they are the ones of `sqlite-only.json`.
 */
// biome-ignore lint/style/noDefaultExport: it is what the tests import
export default class Database {
  constructor(filename) {
    this.filename = filename;
  }

  prepare(sql) {
    throw new Error(`only SQLite can run: ${sql}`);
  }

  pragma(sql) {
    throw new Error(`only SQLite can run: ${sql}`);
  }

  close() {}
}
