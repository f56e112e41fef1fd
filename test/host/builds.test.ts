/** Which build of the runtime `load` takes, and what it refuses. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { BuildName } from "../../host/builds.ts";
import { smallFile } from "../support/small-model.ts";

const PLAIN = readFileSync(new URL("../../build/plain.wasm", import.meta.url));
const RELAXED = readFileSync(new URL("../../build/relaxed.wasm", import.meta.url));
/** i16x8.relaxed_dot_i8x16_i7x16_s, and instructions of the same operands and length that any engine has. */
const RELAXED_DOT = [0xfd, 0x92, 0x02];
/** i32x4.relaxed_dot_i8x16_i7x16_add_s, f32x4.relaxed_madd, and v128.bitselect in as many bytes. */
const FUSED_DOT = [0xfd, 0x93, 0x02];
const FUSED_MULTIPLY_ADD = [0xfd, 0x85, 0x02];
const BITSELECT = [0xfd, 0xd2, 0x00];
const WRONG = { "i16x8.mul": 0x95, "i16x8.q15mulr_sat_s": 0x82, "i16x8.add": 0x8e };

/** The loader on another relaxed build. */
async function hostWith(relaxed: Uint8Array) {
  vi.resetModules();
  vi.doMock("../../build/relaxed.ts", () => ({ base64: Buffer.from(relaxed).toString("base64") }));
  return { ...(await import("../../host/builds.ts")), ...(await import("../../host/load.ts")) };
}

/** The relaxed build with every relaxed dot replaced. */
function withoutRelaxedDot(instruction: number): Uint8Array {
  const bytes = Uint8Array.from(RELAXED);
  let replaced = 0;
  for (let i = 0; i + 2 < bytes.length; i++) {
    for (const fused of [FUSED_DOT, FUSED_MULTIPLY_ADD]) if (fused.every((byte, k) => bytes[i + k] === byte)) bytes.set(BITSELECT, i);
    if (!RELAXED_DOT.every((byte, k) => bytes[i + k] === byte)) continue;
    bytes.set([0xfd, instruction, 0x01], i);
    replaced++;
  }
  expect(replaced, "the two GEMMs and the probe").toBeGreaterThanOrEqual(11);
  return bytes;
}

afterEach(() => {
  vi.doUnmock("../../build/relaxed.ts");
  vi.resetModules();
});

describe("load", () => {
  it("takes the relaxed build where it is right", async () => {
    const { load } = await hostWith(PLAIN);
    using model = await load(smallFile());
    expect(model.features.build).toBe("relaxed");
  });

  it("takes the plain build where the relaxed one does not validate", async () => {
    const { load } = await hostWith(PLAIN.subarray(0, PLAIN.length - 1));
    using model = await load(smallFile());
    expect(model.features.build).toBe("plain");
    await expect(load(smallFile(), { build: "relaxed" })).rejects.toMatchObject({ code: "no-build", details: { build: "relaxed" } });
  });

  it.each(Object.entries(WRONG))("takes the plain build where a dot computes as %s does", async (_, instruction) => {
    const wrong = withoutRelaxedDot(instruction);
    expect(WebAssembly.validate(wrong as Uint8Array<ArrayBuffer>)).toBe(true);
    const { load } = await hostWith(wrong);
    using model = await load(smallFile());
    expect(model.features.build).toBe("plain");
    await expect(load(smallFile(), { build: "relaxed" })).rejects.toMatchObject({ code: "no-build" });
  });

  it("takes the build that it is told", async () => {
    const { load } = await hostWith(PLAIN);
    for (const build of ["plain", "relaxed"] as const) {
      using model = await load(smallFile(), { build });
      expect(model.features.build).toBe(build);
    }
    await expect(load(smallFile(), { build: "toString" as BuildName })).rejects.toMatchObject({
      code: "bad-option",
      message: 'There is no build "toString"; there are plain, relaxed.',
      details: { option: "build", got: "toString" },
    });
  });

  it("keeps relaxed instructions out of the plain build", () => {
    expect(WebAssembly.validate(PLAIN as Uint8Array<ArrayBuffer>)).toBe(true);
    expect(Buffer.from(PLAIN).includes(Buffer.from(RELAXED_DOT))).toBe(false);
  });
});
