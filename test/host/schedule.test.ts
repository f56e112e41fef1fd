/** A plan shared out among threads: slots of a phase never meet, so that their order shows in no result. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { OPCODE } from "../../format/plan.ts";
import { openProgram } from "../../host/inspection.ts";
import { layoutOf } from "../../host/layouts.ts";
import { dataBytes } from "../../host/memory-layout.ts";
import type { Program } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { type Schedule, schedule, scheduledMemoryBytes, schedules } from "../../host/schedule.ts";
import { verifyProgram } from "../../host/verify.ts";
import { plainModule, scanner } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

const assets = process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../../shared");
const hasModels = existsSync(join(assets, "models/MANIFEST.json"));
if (!hasModels) console.log(`skipped: the shared models are not at ${assets} (EQM_ASSETS)`);

const MODELS = [
  { name: "doodles", path: join(import.meta.dirname, "../../examples/doodles/model.onnx") },
  ...(hasModels ? ["resnet8_cifar10", "kwt1", "yunet_n_320"].map((name) => ({ name, path: join(assets, "models", `${name}.onnx`) })) : []),
];

const NOBODY = -1;

describe.each(MODELS)("$name", ({ path }) => {
  const programs: Program[] = [];

  beforeAll(async () => {
    for (const precision of ["int8", "float32"] as const)
      programs.push(readEqm((await compile(readFileSync(path), { precision, minSqnrDb: -100 })).bytes, scanner));
  }, 120_000);

  it.each([2, 3, 5])(
    "shared among %i threads gives the same, in whatever order slots run",
    (threads) => {
      for (const program of programs) {
        const shared = schedule(program.plan, threads);
        expect(shared.phases.some((slots) => slots.length > 1)).toBe(true);
        const expected = outputsOf(program, program.plan.steps);
        const next = randomSource(threads);
        for (let round = 0; round < 3; round++) {
          const steps = shared.phases.flatMap((slots) => shuffled(slots, next).flat());
          expect(Buffer.compare(outputsOf(program, steps, shared), expected), `round ${round}`).toBe(0);
        }
      }
    },
    60_000,
  );

  it("has phases in which no slot touches what another one writes", () => {
    for (const program of programs) {
      const shared = schedule(program.plan, 3);
      const writer = new Int8Array(dataBytes(program.plan) + shared.scratchBytes);
      for (const slots of shared.phases) {
        writer.fill(NOBODY);
        const each = (visit: (slot: number, page: number, isWrite: boolean) => void): void => {
          for (const [slot, steps] of slots.entries())
            for (const words of steps) {
              const touch = (isWrite: boolean) => (address: number, bytes: number) => {
                for (let at = address; at < address + bytes; at++) visit(slot, at, isWrite);
              };
              layoutOf(words[OPCODE]!)!.extents(words, {
                read: touch(false),
                write: touch(true),
                check: (holds) => expect(holds).toBe(true),
              });
            }
        };
        let clashes = 0;
        each((slot, at, isWrite) => {
          if (!isWrite) return;
          if (writer[at] !== NOBODY && writer[at] !== slot) clashes++;
          writer[at] = slot;
        });
        each((slot, at) => {
          if (writer[at] !== NOBODY && writer[at] !== slot) clashes++;
        });
        expect(clashes).toBe(0);
      }
    }
  }, 60_000);
});

it("takes the memory that it says, more for each thread", async () => {
  const { bytes } = await compile(readFileSync(MODELS[0]!.path), { precision: "int8" });
  const program = readEqm(bytes, scanner);
  const sizes = [2, 4, 8].map((threads) => scheduledMemoryBytes(program, schedules(program, threads)));
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  for (const size of sizes) expect(size % 65536).toBe(0);
});

it("takes any plan that is proved, and cuts it into steps that are proved", async () => {
  const program = readEqm((await compile(readFileSync(MODELS[0]!.path), { precision: "int8" })).bytes, scanner);
  const next = randomSource(99);
  const plans = sweep(1000, 5000);
  let proved = 0;
  for (let i = 0; i < plans; i++) {
    const steps = program.plan.steps.map((words) => words.slice());
    const words = steps[next() % steps.length]!;
    // Fields, not the opcode and the length.
    words[2 + (next() % (words.length - 2))] = [0, 1, 2, 3, 7, 8, 64, 1000, -1, 0x7fffffff][next() % 10]!;
    const { golden: _, ...rest } = program;
    const changed: Program = { ...rest, plan: { ...program.plan, steps } };
    try {
      verifyProgram(changed);
    } catch {
      continue;
    }
    proved++;
    const shared = schedule(changed.plan, 2 + (i % 5));
    const arenaBytes = dataBytes(changed.plan) - changed.plan.constantsBytes + shared.scratchBytes;
    const all = shared.phases.flatMap((slots) => slots.flat());
    verifyProgram({ ...changed, metadata: { ...changed.metadata, steps: [] }, plan: { ...changed.plan, arenaBytes, steps: all } });
  }
  expect(proved).toBeGreaterThan(plans / 10);
}, 60_000);

describe("a model of long steps", () => {
  let program: Program;

  beforeAll(async () => {
    const { encoderModel } = (await import(new URL("../../bench/encoder.mjs", import.meta.url).href)) as {
      encoderModel: (sizes: Readonly<Record<string, number>>) => Uint8Array;
    };
    program = readEqm((await compile(encoderModel({ layers: 1 }), { precision: "float32" })).bytes, scanner);
  }, 60_000);

  it("has several slots for each thread, which give the same in whatever order they run", () => {
    const shared = schedule(program.plan, 2);
    expect(shared.slots).toBe(8);
    expect(Math.max(...shared.phases.map((slots) => slots.length))).toBe(8);
    expect(shared.kernelScratch.length).toBe(1);
    const next = randomSource(3);
    const steps = shared.phases.flatMap((slots) => shuffled(slots, next).flat());
    expect(Buffer.compare(outputsOf(program, steps, shared), outputsOf(program, program.plan.steps))).toBe(0);
  });

  it("has one slot for each of many threads, whose slices are short", () => {
    expect(schedule(program.plan, 64).slots).toBe(64);
  });

  it("gives the phases of all plans the slots that the longest steps need", () => {
    const short = { ...program, plan: { ...program.plan, steps: program.plan.steps.slice(0, 1) } };
    const [first, second] = schedules({ ...short, variants: [program] } as Program, 2);
    expect([schedule(short.plan, 2).slots, first.slots, second!.slots]).toEqual([2, 8, 8]);
    expect(second!.scratchBytes).toBe(first.scratchBytes);
    expect(second!.kernelScratch).toEqual(first.kernelScratch);
  });
});

/** The outputs' bytes after `steps`, on an arena that holds a schedule's scratch as well; every step is proved there. */
function outputsOf(program: Program, steps: readonly Int32Array[], shared?: Schedule): Uint8Array {
  const { plan, metadata } = program;
  const arenaBytes = dataBytes(plan) - plan.constantsBytes + (shared?.scratchBytes ?? 0);
  const { golden: _, ...rest } = program;
  const model = openProgram({ ...rest, metadata: { ...metadata, steps: [] }, plan: { ...plan, arenaBytes, steps } }, plainModule);
  const next = randomSource(7);
  for (const view of model.inputs.values())
    for (let i = 0; i < view.length; i++) view[i] = view instanceof BigInt64Array ? 0n : (next() % 200) / 100 - 1;
  model.runSteps();
  const bytes = [...model.outputs.values()].map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
  const all = Buffer.concat(bytes);
  model.dispose();
  return all;
}

function shuffled<T>(values: readonly T[], next: () => number): readonly T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const k = next() % (i + 1);
    [result[i], result[k]] = [result[k]!, result[i]!];
  }
  return result;
}
