/**
 * Engines optimise WebAssembly function by function and switch to the optimised code at the next call, so the kernels must stay
 * functions of their own: swallowed by the interpreter, a whole first inference runs in the engine's slow baseline code.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const IMPORT = 2;
const EXPORT = 7;
const CODE = 10;
/** i32x4.dot_i16x8_s, the instruction of every hot int8 loop. */
const DOT = [0xfd, 0xba, 0x01];

const bytes = readFileSync(new URL(`../../build/${process.env["EQM_BUILD"] ?? "plain"}.wasm`, import.meta.url));
const { bodies, exported } = functions();

it("keeps the interpreter small", () => {
  expect(exported("run").length).toBeLessThan(2048);
});

it("keeps the kernels and their loops apart", () => {
  expect(bodies.length).toBeGreaterThan(120);
  const hot = bodies.filter((body) => dots(body) >= 8);
  expect(hot.length, "the GEMMs on int8 and int16 panels, on planes and on blocks of 1 and 2, and the two depthwise row kernels").toBe(7);
  expect(bodies.filter((body) => dots(body) > 0).length, "those, and the sums and the single row").toBeGreaterThanOrEqual(7);
});

function dots(body: Uint8Array): number {
  let count = 0;
  for (let i = 0; i + 2 < body.length; i++) if (DOT.every((byte, k) => body[i + k] === byte)) count++;
  return count;
}

/** The module's function bodies, and the body of an exported function by name. */
function functions(): { bodies: readonly Uint8Array[]; exported: (name: string) => Uint8Array } {
  const bodies: Uint8Array[] = [];
  const exports = new Map<string, number>();
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  };
  const name = (): string => {
    const length = leb();
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  while (at < bytes.length) {
    const id = bytes[at++]!;
    const end = leb() + at;
    if (id === IMPORT || id === EXPORT || id === CODE) {
      for (let n = leb(); n > 0; n--) {
        if (id === IMPORT) {
          name();
          name();
          expect(bytes[at++], "the module imports a memory and nothing else").toBe(2);
          const limits = leb();
          leb();
          if (limits & 1) leb();
        } else if (id === EXPORT) {
          const key = name();
          const kind = bytes[at++];
          const index = leb();
          if (kind === 0) exports.set(key, index);
        } else {
          const size = leb();
          bodies.push(bytes.subarray(at, at + size));
          at += size;
        }
      }
    }
    at = end;
  }
  return { bodies, exported: (key) => bodies[exports.get(key)!]! };
}
