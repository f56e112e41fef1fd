import { expect, test } from "vitest";
import type { Lowered, Reference, Region, Step } from "../../compiler/lower/lowered.ts";
import { placeRegions } from "../../compiler/plan/place.ts";
import { ALIGNMENT } from "../../format/memory.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { sweep } from "../support/sweep.ts";

/** When each region lives, worked out from the program's meaning and not from its words. */
interface Expected {
  readonly program: Lowered;
  readonly lives: ReadonlyMap<Region, readonly [number, number]>;
}

/** Steps that read up to three regions made before, or constants, and write one, some with scratch. Some regions are never used. */
function randomProgram(seed: number): Expected {
  const random = randomNumbers(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const regions: Region[] = [];
  const size = (): number => [1, 7, 64, 65, 1 + below(5000)][below(5)]!;
  const region = (isConstant: boolean): Region => {
    const bytes = size();
    const constant = isConstant ? { packing: 0, parameters: [0, 0, 0] as const, bytes: new Uint8Array(bytes) } : null;
    const made = { id: regions.length, bytes, constant };
    regions.push(made);
    return made;
  };
  const at = (target: Region): Reference => ({ region: target, offsetBytes: 0 });
  const port = (target: Region) => ({ name: `p${target.id}`, dtype: "uint8" as const, shape: [target.bytes], reference: at(target) });
  const lives = new Map<Region, readonly [number, number]>();
  const live = (target: Region, step: number): void => {
    const [first, last] = lives.get(target) ?? [step, step];
    lives.set(target, [Math.min(first, step), Math.max(last, step)]);
  };
  const inputs = Array.from({ length: below(3) }, () => region(false));
  const constants = Array.from({ length: 1 + below(5) }, () => region(true));
  const readable = [...inputs, ...constants];
  for (const input of inputs) live(input, -1);
  const steps: Step[] = [];
  const count = 1 + below(30);
  for (let i = 0; i < count; i++) {
    region(random() < 0.1);
    const fields: Record<string, number | Reference> = { COUNT: below(100) };
    // Mostly what was made last, as networks do.
    for (let j = 0; j <= below(3); j++) {
      const source =
        random() < 0.7 ? readable[readable.length - 1 - below(Math.min(3, readable.length))]! : readable[below(readable.length)]!;
      fields[`SRC${j}`] = at(source);
      live(source, i);
    }
    const result = region(false);
    fields.DST = at(result);
    live(result, i);
    const scratch = random() < 0.3 ? region(false) : null;
    if (scratch) {
      fields.SCRATCH = at(scratch);
      live(scratch, i);
    }
    readable.push(result);
    steps.push({ opcode: 1, layout: { WORDS: 2 }, fields, writes: [result], scratch, node: null });
  }
  const outputs = [
    readable[readable.length - 1]!,
    ...(random() < 0.5 ? [readable[readable.length - 1 - below(Math.min(4, count))]!] : []),
  ].filter((value) => value.constant === null);
  for (const output of outputs) live(output, count);
  return { program: { steps, regions, inputs: inputs.map(port), outputs: outputs.map(port), placements: new Map() }, lives };
}

const SEEDS = Array.from({ length: sweep(100, 1000) }, (_, i) => i + 1);

test("no two regions that live at the same time overlap, and all are aligned and inside", () => {
  for (const seed of SEEDS) {
    const { program, lives } = randomProgram(seed);
    const { addresses, constantsBytes, arenaBytes } = placeRegions(program);
    expect(new Set(addresses.keys()), `seed ${seed}`).toEqual(new Set(lives.keys()));
    expect([constantsBytes % ALIGNMENT, arenaBytes % ALIGNMENT]).toEqual([0, 0]);
    const placed = [...lives].map(([region, [first, last]]) => ({ region, first, last, start: addresses.get(region)! }));
    for (const { region, start } of placed) {
      expect(start % ALIGNMENT, `seed ${seed}`).toBe(0);
      const [low, high] = region.constant ? [0, constantsBytes] : [constantsBytes, constantsBytes + arenaBytes];
      expect(start >= low && start + region.bytes <= high, `seed ${seed}: region ${region.id}`).toBe(true);
    }
    for (const a of placed) {
      for (const b of placed) {
        if (a === b || a.region.constant !== null || b.region.constant !== null) continue;
        const together = a.first <= b.last && b.first <= a.last;
        const overlap = a.start < b.start + b.region.bytes && b.start < a.start + a.region.bytes;
        expect(together && overlap, `seed ${seed}: regions ${a.region.id} and ${b.region.id}`).toBe(false);
      }
    }
    const constants = placed.filter(({ region }) => region.constant).sort((a, b) => a.start - b.start || a.region.bytes - b.region.bytes);
    constants.slice(1).forEach(({ start, region }, i) => {
      const before = constants[i]!;
      if (start === before.start) expect(region.constant).toEqual(before.region.constant);
      else expect(start).toBeGreaterThanOrEqual(before.start + before.region.bytes);
    });
  }
});

test("the arena is never larger than all its pieces together, and never smaller than what lives at once", () => {
  const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  let pieces = 0;
  let arenas = 0;
  for (const seed of SEEDS) {
    const { program, lives } = randomProgram(seed);
    const { arenaBytes } = placeRegions(program);
    const own = [...lives].filter(([region]) => region.constant === null);
    const sum = own.reduce((total, [region]) => total + aligned(region.bytes), 0);
    expect(arenaBytes, `seed ${seed}`).toBeLessThanOrEqual(Math.max(sum, ALIGNMENT));
    for (let step = -1; step <= program.steps.length; step++) {
      const alive = own.reduce(
        (total, [region, [first, last]]) => (first <= step && step <= last ? total + aligned(region.bytes) : total),
        0,
      );
      expect(arenaBytes, `seed ${seed}, step ${step}`).toBeGreaterThanOrEqual(alive);
    }
    pieces += sum;
    arenas += arenaBytes;
  }
  expect(arenas).toBeLessThan(pieces * 0.7);
});

test("the same program has the same addresses", () => {
  for (const seed of [1, 2, 3]) {
    const run = () => [...placeRegions(randomProgram(seed).program).addresses].map(([{ id }, address]) => [id, address]);
    expect(run()).toEqual(run());
  }
});

test("a chain of equal steps takes two places, whatever its length", () => {
  const regions: Region[] = Array.from({ length: 21 }, (_, id) => ({ id, bytes: 1000, constant: null }));
  const reference = (id: number): Reference => ({ region: regions[id]!, offsetBytes: 0 });
  const steps = Array.from(
    { length: 20 },
    (_, i): Step => ({
      opcode: 1,
      layout: { WORDS: 2 },
      fields: { SRC: reference(i), DST: reference(i + 1) },
      writes: [regions[i + 1]!],
      scratch: null,
      node: null,
    }),
  );
  const port = (id: number) => ({ name: `p${id}`, dtype: "uint8" as const, shape: [1000], reference: reference(id) });
  const { arenaBytes } = placeRegions({ steps, regions, inputs: [port(0)], outputs: [port(20)], placements: new Map() });
  expect(arenaBytes).toBe(2 * 1024);
});

test("an output that is made early keeps its place to the end, and scratch is free after its step", () => {
  const [x, early, scratch, late] = [100, 200, 5000, 5000].map((bytes, id): Region => ({ id, bytes, constant: null })) as [
    Region,
    Region,
    Region,
    Region,
  ];
  const at = (region: Region): Reference => ({ region, offsetBytes: 0 });
  const step = (fields: Record<string, Reference>, own: Region | null): Step => ({
    opcode: 1,
    layout: { WORDS: 2 },
    fields,
    writes: [fields.DST!.region],
    scratch: own,
    node: null,
  });
  const port = (region: Region) => ({ name: `p${region.id}`, dtype: "uint8" as const, shape: [region.bytes], reference: at(region) });
  const { addresses, arenaBytes } = placeRegions({
    steps: [step({ SRC: at(x), DST: at(early), SCRATCH: at(scratch) }, scratch), step({ SRC: at(x), DST: at(late) }, null)],
    regions: [x, early, scratch, late],
    inputs: [port(x)],
    outputs: [port(early), port(late)],
    placements: new Map(),
  });
  expect(addresses.get(late)).toBe(addresses.get(scratch));
  expect(addresses.get(early)! >= addresses.get(late)! + 5000 || addresses.get(late)! >= addresses.get(early)! + 200).toBe(true);
  expect(arenaBytes).toBe(5056 + 256 + 128);
});
