/** A store in memory, in a worker of its own: nobody else sees it, and it goes with the worker. */
import { NativeStorageError, toNativeStorageError } from "../errors.js";
import type { Connection } from "./connection.js";
import type { Hosted } from "./hosting.js";

export class Alone {
  #isStarted = false;

  constructor(private readonly host: () => Promise<Hosted>) {}

  /** Begins the one connection, unless it has begun. */
  add(connection: Connection): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#start(connection).catch((error) => connection.fail(toNativeStorageError(error)));
  }

  /** It stays as it is, also when it is closed. */
  remove(_connection: Connection): void {}

  async #start(connection: Connection): Promise<void> {
    const hosted = await this.host();
    connection.attach(hosted.link(connection));
    const why = await hosted.ended;
    hosted.stop();
    const message = `the engine of a store in memory has died (${why}), and with it what was stored`;
    connection.fail(new NativeStorageError("ENGINE_DIED", message));
  }
}
