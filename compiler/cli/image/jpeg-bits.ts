/** The entropy-coded bits of a JPEG: stuffed bytes taken out, markers never crossed. */

/**
 * A table of 65536: by the next 16 bits, length << 8 | symbol of the code that they begin with; 0 where there is none.
 *
 * @param counts codes of each length from 1 to 16
 * @returns undefined where the lengths make no prefix code
 */
export function huffmanTable(counts: Uint8Array, symbols: Uint8Array): Uint16Array | undefined {
  const table = new Uint16Array(65536);
  let code = 0;
  let at = 0;
  for (let length = 1; length <= 16; length++) {
    const span = 1 << (16 - length);
    for (let i = 0; i < (counts[length - 1] as number); i++) {
      if (code + span > 65536) return undefined;
      table.fill((length << 8) | (symbols[at++] as number), code, code + span);
      code += span;
    }
  }
  return table;
}

/** Reads bits, most significant first. Behind the last byte before a marker it gives zeros and `overrun` becomes true once they are used. */
export class BitReader {
  /** The next byte that is not in the buffer yet; a marker stays unread. */
  position: number;
  readonly #bytes: Uint8Array;
  #bits = 0;
  #count = 0;
  #padding = 0;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  /** Whether bits were used that are not there. */
  get overrun(): boolean {
    return this.#count < this.#padding;
  }

  /** `n` bits as an unsigned number, 0 ≤ n ≤ 16. */
  read(n: number): number {
    if (n === 0) return 0;
    if (this.#count < n) this.#fill();
    this.#count -= n;
    return (this.#bits >>> this.#count) & ((1 << n) - 1);
  }

  /** `n` bits as JPEG writes signed differences: the upper half as they are, the lower half minus 2ⁿ − 1. */
  readSigned(n: number): number {
    if (n === 0) return 0;
    const value = this.read(n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  /** The next symbol; −1 where the bits begin no code. */
  symbol(table: Uint16Array): number {
    if (this.#count < 16) this.#fill();
    const entry = table[(this.#bits >>> (this.#count - 16)) & 0xffff] as number;
    if (entry === 0) return -1;
    this.#count -= entry >> 8;
    return entry & 255;
  }

  /** Drops the rest of the interval and steps over the restart marker `n` (0..7); false where another marker or the end comes. */
  restart(n: number): boolean {
    this.#bits = this.#count = this.#padding = 0;
    const bytes = this.#bytes;
    let at = this.position;
    while (at + 1 < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] !== 0 && bytes[at + 1] !== 0xff)) at++;
    this.position = at + 2;
    return bytes[at + 1] === 0xd0 + n;
  }

  #fill(): void {
    const bytes = this.#bytes;
    while (this.#count <= 24) {
      let byte = bytes[this.position];
      if (byte === undefined || (byte === 0xff && bytes[this.position + 1] !== 0)) {
        byte = 0;
        this.#padding += 8;
      } else this.position += byte === 0xff ? 2 : 1;
      this.#bits = (this.#bits << 8) | byte;
      this.#count += 8;
    }
  }
}
