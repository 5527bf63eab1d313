/**
 * Archives that pass through: one that the engine writes is handed on piece by piece, one that it reads is somebody's file.
 * Neither is kept here.
 */
import type { Mounted, MountedFile } from "./opfs-host.js";

/** What this needs of the workers' `FileReaderSync`, which type libraries for pages do not have. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

export type TakePiece = (piece: Uint8Array<ArrayBuffer>) => void;

/** The directory of the root that archives are in. */
export const ARCHIVES = "archives";

const NO_HANDLE = { flush() {} };

/** It is written from its beginning to its end. */
class Outgoing implements MountedFile {
  readonly handle = NO_HANDLE;
  users = 0;
  size = 0;

  constructor(private readonly take: TakePiece) {}

  read(): number {
    return 0;
  }

  write(bytes: Uint8Array, offset: number): number {
    if (offset !== this.size) throw new DOMException("an archive is written once", "InvalidStateError");
    this.take(new Uint8Array(bytes));
    this.size += bytes.length;
    return bytes.length;
  }

  truncate(size: number): void {
    if (size !== this.size) throw new DOMException("an archive is written once", "InvalidStateError");
  }
}

class Incoming implements MountedFile {
  readonly handle = NO_HANDLE;
  users = 0;
  readonly #reader = new FileReaderSync();

  constructor(private readonly archive: Blob) {}

  get size(): number {
    return this.archive.size;
  }

  read(bytes: Uint8Array, offset: number): number {
    const piece = this.archive.slice(offset, offset + bytes.length);
    if (piece.size === 0) return 0;
    bytes.set(new Uint8Array(this.#reader.readAsArrayBuffer(piece)));
    return piece.size;
  }

  write(): number {
    throw new DOMException("an archive is only read", "NotAllowedError");
  }

  truncate(): void {
    throw new DOMException("an archive is only read", "NotAllowedError");
  }
}

export class Archives implements Mounted {
  readonly #files = new Map<string, MountedFile>();
  readonly #takers = new Map<string, TakePiece>();

  /** Hands on what is written under this name, which has no dots. */
  receive(name: string, take: TakePiece): void {
    this.#takers.set(`/${name}`, take);
  }

  /** Lets somebody's file be read under this name. */
  offer(name: string, archive: Blob): void {
    this.#files.set(`/${name}`, new Incoming(archive));
  }

  forget(name: string): void {
    this.#takers.delete(`/${name}`);
    this.#files.delete(`/${name}`);
  }

  names(): Iterable<string> {
    return this.#files.keys();
  }

  find(name: string): MountedFile | undefined {
    return this.#files.get(name);
  }

  /** Until it is complete, an archive has a name that goes on after a dot. */
  create(name: string): MountedFile | undefined {
    const take = this.#takers.get(name.split(".", 1)[0] as string);
    if (!take) return undefined;
    const file = new Outgoing(take);
    this.#files.set(name, file);
    return file;
  }

  rename(file: MountedFile, name: string): void {
    this.remove(file);
    this.#files.set(name, file);
  }

  remove(file: MountedFile): void {
    for (const [name, of] of this.#files) if (of === file) this.#files.delete(name);
  }

  release(file: MountedFile): void {
    file.users--;
  }

  syncNames(): void {}
}
