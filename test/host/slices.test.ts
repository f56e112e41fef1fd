/** How steps are cut into slices. That a slice gives what the step gives there is checked by every test of a step (support/step-bench.ts). */
import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as Pool from "../../format/steps/pool.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { allLayouts } from "../../host/layouts.ts";
import { cutStep, ruleWords } from "../../host/slices.ts";
import { step } from "../support/small-model.ts";

describe("slices", () => {
  it("have rules that were written for the layouts as they are", () => {
    const written = [...allLayouts()].filter(([opcode]) => ruleWords(opcode) !== undefined);
    expect(written.map(([opcode, { name }]) => [name, ruleWords(opcode)])).toEqual(written.map(([, { name, words }]) => [name, words]));
    expect(written.length).toBeGreaterThan(20);
  });

  it("share elements at multiples of 64, and are no more than there are multiples", () => {
    const cut = (count: number, parts: number) =>
      cutStep(
        step(Opcode.TABLE_I8, TableI8, { SRC: 1000, DST: 2000, ROWS: 1, COLUMNS: count, SRC_PITCH: count, DST_PITCH: count }),
        parts,
      )?.map((w) => [w[TableI8.SRC], w[TableI8.DST], w[TableI8.COLUMNS]]);
    expect(cut(64, 2)).toBe(undefined);
    expect(cut(65, 3)).toEqual([
      [1000, 2000, 64],
      [1064, 2064, 1],
    ]);
    expect(cut(1000, 3)).toEqual([
      [1000, 2000, 320],
      [1320, 2320, 384],
      [1704, 2704, 296],
    ]);
  });

  it("of a window's output read the rows that it reaches, padding where it is", () => {
    const words = step(Opcode.CONV_I8, ConvI8, {
      ...{ SRC: 0, DST: 10_000, BATCH: 1, IN_H: 9, IN_W: 5, IN_C: 2, OUT_H: 5, OUT_W: 3, OUT_C: 4, KERNEL_H: 3, KERNEL_W: 3 },
      ...{ STRIDE_H: 2, STRIDE_W: 2, DILATION_H: 1, DILATION_W: 1, PAD_TOP: 1, PAD_LEFT: 1, GROUPS: 1, SRC_PITCH: 2, DST_PITCH: 6 },
      ...{ OUT_DTYPE: 2, ROW_BLOCK: 4, WEIGHT_BITS: 8 },
    });
    const rows = (w: Int32Array) => [ConvI8.SRC, ConvI8.IN_H, ConvI8.PAD_TOP, ConvI8.DST, ConvI8.OUT_H].map((i) => w[i]);
    expect(cutStep(words, 3)?.map(rows)).toEqual([
      [0, 4, 1, 10_000, 2],
      [30, 3, 0, 10_036, 1],
      [50, 4, 0, 10_054, 2],
    ]);
  });

  it("leave whole what counts positions of the whole tensor, or has windows in the padding alone", () => {
    const pool = {
      ...{ SRC: 0, DST: 1000, INDICES: -1, KIND: Pool.MAXIMUM, DTYPE: 1, BATCH: 1, IN_D: 1, IN_H: 8, IN_W: 8, CHANNELS: 4 },
      ...{ OUT_D: 1, OUT_H: 8, OUT_W: 8, KERNEL_D: 1, KERNEL_H: 1, KERNEL_W: 1, STRIDE_D: 1, STRIDE_H: 1, STRIDE_W: 1 },
      ...{ DILATION_D: 1, DILATION_H: 1, DILATION_W: 1 },
    };
    const cut = (fields: Readonly<Record<string, number>>) => cutStep(step(Opcode.POOL, Pool, { ...pool, ...fields }), 2)?.length;
    expect(cut({})).toBe(2);
    expect(cut({ INDICES: 5000 })).toBe(undefined);
    expect(cut({ PAD_TOP: 1 })).toBe(undefined);
    expect(cut({ OUT_H: 10, KERNEL_H: 2, PAD_TOP: 1, PAD_BOTTOM: 2 })).toBe(undefined);
  });
});
