/** The few wire forms of docs/design.md that the tests of the binding need, for ASCII text only. */

const ascii = new TextEncoder();

/** Bytes of numbers and strings one after another. */
class Form {
  #bytes = [];

  number(bits, value) {
    for (let shift = 0; shift < bits; shift += 8) this.#bytes.push((value >>> shift) & 0xff);
    return this;
  }

  f64(value) {
    return this.raw(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** `str16` or `str32`, by the bits of its head. */
  text(bits, value) {
    return this.number(bits, value.length).raw(ascii.encode(value));
  }

  raw(bytes) {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  done() {
    return Uint8Array.from(this.#bytes);
  }
}

/** An id, or another bare string, as it crosses the binding. */
export const text = (value) => ascii.encode(value);

/** A content message (3.1) with one trusting transaction in one session; the header only with the first one. */
export function message(id, { after = 0, changes = "[]" } = {}) {
  const transaction = new Form().number(8, 2).f64(1).text(32, changes).done();
  const form = new Form()
    .number(8, 1)
    .number(8, after === 0 ? 1 : 0)
    .f64(102_400)
    .text(16, id);
  if (after === 0) form.text(32, '{"type":"comap"}');
  form.number(32, 1).text(16, "agent_session_z1").number(32, after).text(16, `signature_z${after}`);
  return form.number(32, 1).number(32, transaction.length).raw(transaction).done();
}

/** What a known state (3.5) says of the only session there is: its counter. */
export function counter(knownState) {
  const view = new DataView(knownState.buffer, knownState.byteOffset, knownState.byteLength);
  return view.getUint32(view.byteLength - 4, true);
}
