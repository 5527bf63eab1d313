/**
 * A batch of messages under construction (section 3.3): each is written straight into the bytes that go to the engine,
 * without bytes of its own before.
 */
import { BATCH_FOLLOWS } from "../generated/definitions.js";
import { ByteWriter } from "./writer.js";

const COUNT_BYTES = 4;
const LENGTH_BYTES = 4;

export class BatchWriter {
  private readonly writer = new ByteWriter();
  /** Where each message ends. */
  private ends: number[] = [];

  constructor() {
    this.reset();
  }

  /** Begins anew. */
  reset(): this {
    this.writer.reset().u32(0);
    this.ends = [];
    return this;
  }

  /** How many messages it has. */
  get count(): number {
    return this.ends.length;
  }

  /** Bytes of all of them, and their lengths. */
  get size(): number {
    return this.writer.length;
  }

  /** Adds the message that `write` writes. If that throws, nothing is added. */
  add<T>(write: (writer: ByteWriter) => T): T {
    const { writer } = this;
    const begin = writer.length;
    writer.u32(0);
    let result: T;
    try {
      result = write(writer);
    } catch (error) {
      writer.length = begin;
      throw error;
    }
    writer.patchU32(begin, writer.length - begin - LENGTH_BYTES);
    this.ends.push(writer.length);
    return result;
  }

  /** The bytes of the batch, valid until it is written to: stored only if all before it is, if it `follows`. */
  request(follows: boolean): Uint8Array {
    this.writer.patchU32(0, follows ? BATCH_FOLLOWS + this.count : this.count);
    return this.writer.written();
  }

  /** The bytes of a message by its number, valid until the batch is written to. */
  message(at: number): Uint8Array {
    const begin = (this.ends[at - 1] ?? COUNT_BYTES) + LENGTH_BYTES;
    return this.writer.written().subarray(begin, this.ends[at]);
  }
}
