/**
 * SQLite as a driver of cojson's own storage, over three modules. All use a write-ahead log. With synchronous NORMAL a
 * committed transaction survives a crash of the process and not a power cut, as `relaxed` of the native storage; with FULL
 * it survives both, as `strict`.
 */
import assert from "node:assert/strict";

/**
 * @typedef {import("cojson").SQLiteDatabaseDriver} Driver
 * @typedef {"better-sqlite3" | "libsql" | "node:sqlite"} Module
 * @typedef {"NORMAL" | "FULL"} Synchronous
 *
 * @typedef {object} Statement takes its parameters as a list
 * @property {(params: unknown[]) => unknown} run
 * @property {(params: unknown[]) => unknown[]} all
 * @property {(params: unknown[]) => unknown} get
 *
 * @typedef {object} Connection
 * @property {(sql: string) => Statement} prepare
 * @property {() => (work: () => unknown) => unknown} transactions gives what runs a function in a transaction
 * @property {() => void} close
 *
 * @typedef {object} Settings
 * @property {Module} module
 * @property {Synchronous} synchronous
 * @property {boolean} cached Statements are prepared once and kept: the fastest that cojson's storage can be. Otherwise at
 *   each use, as Jazz's own driver does.
 *
 * @typedef {object} OpenedDriver
 * @property {Driver} driver
 * @property {() => string} version of SQLite
 * @property {() => void} check Reads back that the settings are in force.
 */

/** @type {Record<Module, (path: string) => Promise<Connection>>} */
const CONNECT = {
  async "better-sqlite3"(path) {
    const { default: Database } = await import("better-sqlite3");
    return likeBetterSqlite(new Database(path));
  },
  async libsql(path) {
    const { default: Database } = await import("libsql");
    return likeBetterSqlite(new Database(path));
  },
  async "node:sqlite"(path) {
    const module = nodeSqlite();
    if (!module) throw new Error(`Node ${process.version} has no node:sqlite`);
    return ofNode(new module.DatabaseSync(path));
  },
};

/**
 * @param {string} path
 * @param {Settings} settings
 * @returns {Promise<OpenedDriver>}
 */
export async function openDriver(path, { module, synchronous, cached }) {
  const connection = await CONNECT[module](path);
  const ask = (/** @type {string} */ sql) => connection.prepare(sql).get([]);
  ask("PRAGMA journal_mode = WAL");
  connection.prepare(`PRAGMA synchronous = ${synchronous}`).run([]);
  return {
    driver: cached ? caching(connection) : preparing(connection),
    version: () => String(field(ask("SELECT sqlite_version() AS version"), "version")),
    check() {
      assert.equal(field(ask("PRAGMA journal_mode"), "journal_mode"), "wal", `${module}: journal mode`);
      const level = { NORMAL: 1, FULL: 2 }[synchronous];
      assert.equal(field(ask("PRAGMA synchronous"), "synchronous"), level, `${module}: synchronous`);
    },
  };
}

/**
 * @typedef {object} NodeStatement
 * @property {(...params: unknown[]) => unknown} run
 * @property {(...params: unknown[]) => unknown[]} all
 * @property {(...params: unknown[]) => unknown} get
 *
 * @typedef {object} NodeDatabase
 * @property {(sql: string) => NodeStatement} prepare
 * @property {() => void} close
 *
 * @typedef {{ DatabaseSync: new (path: string) => NodeDatabase }} NodeSqlite
 */

/**
 * Node's own SQLite, which is in Node 22.5 and later, at first behind a flag.
 *
 * @returns {NodeSqlite | undefined}
 */
export function nodeSqlite() {
  const module = /** @type {unknown} */ (process.getBuiltinModule("node:sqlite"));
  return /** @type {NodeSqlite | undefined} */ (module);
}

/**
 * @typedef {object} LikeBetterSqlite what libsql has in common with better-sqlite3
 * @property {(sql: string) => Statement} prepare
 * @property {(work: (inner: () => unknown) => unknown) => (inner: () => unknown) => unknown} transaction
 * @property {() => unknown} close
 */

/**
 * @param {unknown} database
 * @returns {Connection}
 */
function likeBetterSqlite(database) {
  const connection = /** @type {LikeBetterSqlite} */ (database);
  return {
    prepare: (sql) => connection.prepare(sql),
    transactions: () => connection.transaction((work) => work()),
    close() {
      connection.close();
    },
  };
}

/**
 * @param {NodeDatabase} database
 * @returns {Connection}
 */
function ofNode(database) {
  return {
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        run: (params) => statement.run(...params),
        all: (params) => statement.all(...params),
        get: (params) => statement.get(...params),
      };
    },
    transactions() {
      const [begin, commit, rollback] = ["BEGIN", "COMMIT", "ROLLBACK"].map((sql) => database.prepare(sql));
      return (work) => {
        begin?.run();
        try {
          const result = work();
          commit?.run();
          return result;
        } catch (error) {
          rollback?.run();
          throw error;
        }
      };
    },
    close() {
      database.close();
    },
  };
}

/**
 * @param {Connection} connection
 * @returns {Driver}
 */
function preparing(connection) {
  return driver(
    connection,
    (sql) => connection.prepare(sql),
    (work) => connection.transactions()(work),
  );
}

/**
 * @param {Connection} connection
 * @returns {Driver}
 */
function caching(connection) {
  /** @type {Map<string, Statement>} */
  const statements = new Map();
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
    connection.transactions(),
  );
}

/**
 * @param {Connection} connection
 * @param {(sql: string) => Statement} prepare
 * @param {(work: () => unknown) => unknown} transaction
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

/**
 * @param {unknown} row
 * @param {string} name
 */
function field(row, name) {
  return /** @type {Record<string, unknown> | undefined} */ (row)?.[name];
}
