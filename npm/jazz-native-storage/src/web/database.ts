/**
 * A database in this context: who runs its engine, and the connections of this context to it.
 *
 * All contexts of an origin that use a database ask for one lock. Who gets it leads: it runs the engine, over files that
 * nobody else can have open, and serves the others, who follow. When the leader ends, however it does, the browser gives the
 * lock to the next one. Connections move with it and send again what was not answered.
 *
 * - A page that is frozen or left lets go of the lock, as it could not answer; it follows when it goes on.
 * - Engines that die are started again, and given up if they do so repeatedly.
 */
import { NativeStorageError, toNativeStorageError } from "../errors.js";
import type { Connection, Link } from "./connection.js";
import { unavailable } from "./failure.js";
import type { Hosted } from "./hosting.js";
import { Hub } from "./hub.js";
import {
  type Control,
  channelName,
  clientLock,
  controlName,
  engineLock,
  leaderLock,
  type Ready,
} from "./names.js";
import type { FromServer } from "./protocol.js";

/** How often a leader is asked for while there is none. */
const ASK_MS = 500;
/** How often one that cannot lead itself asks, until it gives up. */
const MOST_QUESTIONS = 10;
/** An engine that dies so often, each time within so long of the last, is given up. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN_MS = 30_000;

/** A connection of this context. */
interface Member {
  readonly connection: Connection;
  readonly client: string;
  /** The leader that it is served by, or has asked to. */
  leader: string | undefined;
  /** Whether that has answered. */
  isLinked: boolean;
  /** How often it has asked since it was served last. */
  attempts: number;
  /** Gives up asking. */
  abandon: () => void;
  leave: () => void;
}

export class Database {
  readonly #members = new Map<Connection, Member>();
  readonly #control: BroadcastChannel;
  #candidacy: AbortController | undefined;
  #hosted: Hosted | undefined;
  #asking: ReturnType<typeof setTimeout> | undefined;
  /** Asked in vain. */
  #questions = 0;
  #deaths: number[] = [];
  #opened: { readonly hub: Hub | undefined } | undefined;

  constructor(
    private readonly name: string,
    /** Starts the engine here; none if this context cannot. */
    private readonly host: (() => Promise<Hosted>) | undefined,
  ) {
    this.#control = new BroadcastChannel(controlName(name));
    this.#control.onmessage = ({ data }: MessageEvent<Control>) => {
      if (data.kind === "leads") this.#follow(data.leader);
    };
  }

  /** Begins a connection, unless it has begun. */
  add(connection: Connection): void {
    if (this.#members.has(connection) || connection.hasFailed) return;
    const client = crypto.randomUUID();
    const leaving = new Promise<void>((leave) => {
      this.#members.set(connection, {
        connection,
        client,
        leave,
        leader: undefined,
        isLinked: false,
        attempts: 0,
        abandon: () => {},
      });
    });
    if (this.#hosted) this.#linkHere(this.#hosted, connection);
    else this.#run();
    // Others see by it whether this side lives, so they hear of it only when it is held.
    navigator.locks.request(clientLock(this.name, client), () => {
      if (this.#members.get(connection)?.client === client) this.#ask();
      return leaving;
    });
  }

  /** Ends a connection. With the last one this context leads and follows no more. */
  remove(connection: Connection): void {
    const member = this.#members.get(connection);
    if (!member) return;
    this.#members.delete(connection);
    unlink(member);
    member.leave();
    if (this.#members.size === 0) this.rest();
  }

  /** Lets others lead, until `resume`. */
  rest(): void {
    clearTimeout(this.#asking);
    this.#candidacy?.abort();
    this.#candidacy = undefined;
    this.#stopHosting();
    for (const member of this.#members.values()) unlink(member);
  }

  resume(): void {
    if (this.#members.size === 0 || this.#hosted) return;
    this.#run();
    this.#ask();
  }

  /** Asks who leads, and again, until all are served. */
  #ask(): void {
    clearTimeout(this.#asking);
    const lacking = [...this.#members.values()].filter(({ isLinked }) => !isLinked);
    if (lacking.length === 0 || this.#hosted) {
      this.#questions = 0;
      return;
    }
    if (!this.host && ++this.#questions > MOST_QUESTIONS) {
      this.#questions = 0;
      this.#giveUp(unavailable("no page has the database open, and this context cannot run the engine"));
      return;
    }
    for (const member of lacking) unlink(member);
    this.#control.postMessage({ kind: "who" } satisfies Control);
    this.#asking = setTimeout(() => this.#ask(), ASK_MS);
  }

  /** Runs for leader. */
  #run(): void {
    if (this.#candidacy || !this.host) return;
    const candidacy = new AbortController();
    this.#candidacy = candidacy;
    const lead = async () => {
      if (!candidacy.signal.aborted) await this.#lead(candidacy.signal, this.host as () => Promise<Hosted>);
    };
    navigator.locks.request(leaderLock(this.name), { signal: candidacy.signal }, lead).catch((error) => {
      if (!candidacy.signal.aborted) this.#giveUp(error);
    });
  }

  /** Runs the engine, holding the lock, until this context rests. */
  async #lead(resting: AbortSignal, host: () => Promise<Hosted>): Promise<void> {
    const rested = new Promise<undefined>((resolve) => {
      resting.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    while (!resting.aborted) {
      const hosted = await host();
      if (resting.aborted) {
        hosted.stop();
        return;
      }
      this.#hosted = hosted;
      this.#hub()?.lead(hosted.engine);
      for (const connection of this.#members.keys()) this.#linkHere(hosted, connection);
      const why = await Promise.race([hosted.ended, rested]);
      this.#stopHosting();
      if (why === undefined) return;
      this.#died(why);
    }
  }

  #linkHere(hosted: Hosted, connection: Connection): void {
    const member = this.#members.get(connection);
    if (!member) return;
    unlink(member);
    connection.attach(hosted.link(connection));
    member.isLinked = true;
  }

  #died(why: string): void {
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((time) => now - time < DEATHS_WITHIN_MS), now];
    if (this.#deaths.length > MOST_DEATHS) {
      throw new NativeStorageError(
        "ENGINE_DIED",
        `the storage engine of ${JSON.stringify(this.name)} has died ${this.#deaths.length} times in a row (${why}); ` +
          "what was acknowledged is stored: reload the page to go on",
      );
    }
    for (const { connection } of this.#members.values()) {
      connection.tellEvent({ kind: "engine_restarted", message: why });
    }
  }

  #stopHosting(): void {
    const hosted = this.#hosted;
    this.#hosted = undefined;
    if (!hosted) return;
    for (const member of this.#members.values()) unlink(member);
    hosted.stop();
  }

  #giveUp(error: unknown): void {
    this.#candidacy = undefined;
    const failure = toNativeStorageError(error);
    for (const connection of [...this.#members.keys()]) {
      this.remove(connection);
      connection.fail(failure);
    }
  }

  #follow(leader: string): void {
    if (this.#hosted) return;
    for (const member of this.#members.values()) {
      if (member.leader === leader) continue;
      unlink(member);
      member.leader = leader;
      this.#linkAfar(member, leader);
    }
  }

  /** Does something when an engine has ended; gives what calls it off. */
  #whenEnded(leader: string, then: () => void): () => void {
    const called = new AbortController();
    navigator.locks.request(engineLock(this.name, leader), { signal: called.signal }, then).catch(() => {});
    return () => called.abort();
  }

  /** Asks a leader to serve a connection: by way of the hub, and if it has not come about so, by a channel. */
  #linkAfar(member: Member, leader: string): void {
    const { connection, client } = member;
    const hub = member.attempts++ % 2 === 0 ? this.#hub() : undefined;
    const { port1, port2 } = new MessageChannel();
    const way = hub ? port1 : new BroadcastChannel(channelName(this.name, leader, client));
    const link: Link = {
      post: (message) => way.postMessage(message),
      close: () => {
        way.postMessage(null);
        way.close();
      },
    };
    member.abandon = link.close;
    way.onmessage = ({ data }: MessageEvent<FromServer | Ready>) => {
      if (data instanceof Uint8Array || data.kind !== "ready") {
        connection.receive(link, data);
        return;
      }
      member.isLinked = true;
      member.attempts = 0;
      connection.attach(link);
      member.abandon = this.#whenEnded(leader, () => {
        unlink(member);
        this.#ask();
      });
    };
    if (hub) hub.join(leader, client, port2);
    else this.#control.postMessage({ kind: "connect", leader, client } satisfies Control);
  }

  #hub(): Hub | undefined {
    if (!this.#opened) {
      this.#opened = { hub: Hub.open(this.name, (client, port) => this.#hosted?.serve(client, port)) };
    }
    return this.#opened.hub;
  }
}

function unlink(member: Member): void {
  member.abandon();
  member.abandon = () => {};
  member.connection.detach();
  member.leader = undefined;
  member.isLinked = false;
}
