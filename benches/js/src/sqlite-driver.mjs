/** better-sqlite3 as a driver of cojson's SQLite storage, in two manners. */
import Database from "better-sqlite3";

/**
 * @typedef {import("cojson").SQLiteDatabaseDriver} Driver
 * @typedef {import("better-sqlite3").Database} Connection
 * @typedef {import("better-sqlite3").Statement<unknown[]>} Statement
 */

/**
 * A write-ahead log that is synced at its checkpoints: a committed transaction survives a crash of the process, not a
 * power cut. It is how Jazz runs SQLite on Node, and what the level `relaxed` of the native storage promises.
 *
 * @param {string} path
 * @returns {Connection}
 */
function connect(path) {
  const connection = new Database(path);
  connection.pragma("journal_mode = WAL");
  connection.pragma("synchronous = NORMAL");
  return connection;
}

/**
 * Prepares a statement at each use, as Jazz's own driver for better-sqlite3 does.
 *
 * @param {string} path
 * @returns {Driver}
 */
export function preparingDriver(path) {
  const connection = connect(path);
  return driver(
    connection,
    (sql) => connection.prepare(sql),
    (callback) => connection.transaction(callback)(),
  );
}

/**
 * Prepares each statement once and keeps it: the fastest that cojson's storage over better-sqlite3 can be.
 *
 * @param {string} path
 * @returns {Driver}
 */
export function cachingDriver(path) {
  const connection = connect(path);
  /** @type {Map<string, Statement>} */
  const statements = new Map();
  const transaction = connection.transaction((/** @type {() => unknown} */ callback) => callback());
  return driver(
    connection,
    (sql) => {
      let statement = statements.get(sql);
      if (!statement) {
        statement = connection.prepare(sql);
        statements.set(sql, statement);
      }
      return statement;
    },
    (callback) => transaction(callback),
  );
}

/**
 * @param {Connection} connection
 * @param {(sql: string) => Statement} prepare
 * @param {(callback: () => unknown) => void} transaction
 * @returns {Driver}
 */
function driver(connection, prepare, transaction) {
  return {
    run(sql, params) {
      prepare(sql).run(params);
    },
    query: (sql, params) => /** @type {never[]} */ (prepare(sql).all(params)),
    get: (sql, params) => /** @type {never} */ (prepare(sql).get(params)),
    transaction,
    closeDb() {
      connection.close();
    },
  };
}
