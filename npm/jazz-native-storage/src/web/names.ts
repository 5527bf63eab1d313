/** What the contexts of one origin call things, and what they tell each other about who leads. */

/** The directory in the private file system that has a directory for each database. */
export const DIRECTORY = "jazz-native-storage";

/** The directory of a database: its name, spelled so that every file system takes it. */
export function directoryOf(database: string): string {
  return encodeURIComponent(database).replaceAll("*", "%2A").replaceAll(".", "%2E");
}

/** Where its store is, as the engine sees it. Beside it is room for a copy. */
export function storePath(database: string): string {
  return `/${directoryOf(database)}/store`;
}

/** Held by the context that leads. */
export function leaderLock(database: string): string {
  return `${DIRECTORY}:${database}:leader`;
}

/** Held by a client as long as it lives. */
export function clientLock(database: string, client: string): string {
  return `${DIRECTORY}:${database}:client:${client}`;
}

/** Held by an engine as long as it lives. */
export function engineLock(database: string, engine: string): string {
  return `${DIRECTORY}:${database}:engine:${engine}`;
}

/** Held by the context that moves what IndexedDB has into the engine. */
export function migrationLock(database: string): string {
  return `${DIRECTORY}:${database}:migration`;
}

/** The channel for {@link Control}. */
export function controlName(database: string): string {
  return `${DIRECTORY}:${database}`;
}

/** The channel of one connection. */
export function channelName(database: string, leader: string, client: string): string {
  return `${DIRECTORY}:${database}:${leader}:${client}`;
}

/** To all contexts that use a database. */
export type Control =
  /** Whoever leads, say so. */
  | { readonly kind: "who" }
  | { readonly kind: "leads"; readonly leader: string }
  /** Serve this client, on the channel of you two. */
  | { readonly kind: "connect"; readonly leader: string; readonly client: string };

/** The first message on the channel of a connection, from the side of the engine. */
export interface Ready {
  readonly kind: "ready";
}
