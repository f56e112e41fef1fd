/**
 * Promises 1, 4 and 5: files with sound hashes and hostile contents load and run without a trap, or are refused with a
 * FormatError; a run writes nothing but what its steps' extents say. FUZZ_SEED and FUZZ_ROUNDS choose other rounds; a failure names its round.
 */
import { expect, it } from "vitest";
import * as File from "../../format/file.ts";
import { dataAddress, PLAN_ADDRESS } from "../../format/memory.ts";
import { OPCODE } from "../../format/plan.ts";
import { FormatError, RunError } from "../../host/errors.ts";
import { Instance } from "../../host/instance.ts";
import { layoutOf } from "../../host/layouts.ts";
import { type Program, planWords } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { decodeWords, encodeWords } from "../../host/varint.ts";
import { verifyProgram } from "../../host/verify.ts";
import { allSections, reseal, withSections } from "../support/reseal.ts";
import { constant, plainModule, program, scanner, smallFile } from "../support/small-model.ts";
import { floatBits, randomSource } from "../support/step-bench.ts";
import { type StepModule, stepModules } from "../support/step-modules.ts";
import { sweep } from "../support/sweep.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20240607);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? sweep(100, 500));
const CONSTANTS_BYTES = 1024;
const ARENA_BYTES = 4096;
const CANARY = 0x5a;

/** A step reads and writes at most the arena, and each of its loops runs over what it reads or writes: short enough to run. */
const MAX_RUN_BYTES = 8192;

type Random = () => number;
type Outcome = "refused" | "ran" | "too large to run";

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random() % items.length]!;
}

const EDGES = [0, 1, -1, 2, -2, 127, -128, 255, 256, 65535, 65536, 0x3fffffff, 0x40000000, 0x7fffffff, -0x80000000];
const FLOATS = [0, -0, 1, -1, 0.5, 1e-30, 1e30, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map(floatBits);

function hostileWord(random: Random): number {
  switch (random() % 4) {
    case 0:
      return pick(random, EDGES);
    case 1:
      return random() | 0;
    case 2:
      return pick(random, FLOATS);
    default:
      return random() % 8192;
  }
}

/** A word that a sound step might have: an address for what names one, else something small. */
function plausibleWord(step: string, field: string, random: Random): number {
  const inConstants = () => (random() % (CONSTANTS_BYTES / 64)) * 64;
  const inArena = () => CONSTANTS_BYTES + (random() % (ARENA_BYTES / 64)) * 64;
  if (field === "KIND" || field === "OP" || /DTYPE/.test(field)) return (random() % 9) % 6;
  if (field === "INDICES" || field === "ZERO") return random() % 3 ? inConstants() : -1;
  if (step === "LAYER_NORM_I8") {
    if (/^(OUT_SCALE|DST_I8)$/.test(field)) return field === "DST_I8" ? inArena() : inConstants();
    if (/^(ADDEND|SRC_SCALE|SRC_ZERO|OUT_ZERO)$/.test(field)) return random() % 2 ? inConstants() : -1;
    if (/^(SUM|DST)$/.test(field)) return random() % 2 ? inArena() : -1;
  }
  if (/^(VALUES|PLACES|MEAN|INVERSE)$/.test(field)) return random() % 3 ? inArena() : -1;
  if (field === "PLANAR") return random() % 8 ? 0 : 1;
  if (/^(CENTRED|LARGEST|LAST)$/.test(field)) return random() % 2;
  if (/^(DST|SCRATCH|TOTAL)$/.test(field)) return inArena();
  if (/^(IOU|SCORE)$/.test(field)) return random() % 2 ? inConstants() : -1;
  if (field === "RANK") return pick(random, [1, 6, 6, 6]);
  if (/^(SRC|A|B|WEIGHTS|BIAS|TABLE|BOXES|SCORES|UPDATES)$/.test(field)) return random() % 2 ? inArena() : inConstants();
  if (field === "SCALE" && random() % 2) return inConstants();
  if (/SCALE|ALPHA|BETA|MIN|MAX|OUTSIDE|VALUE/.test(field)) return random() % 2 ? pick(random, FLOATS) : (random() % 300) - 150;
  if (/ZERO/.test(field)) return (random() % 256) - 128;
  if (/PITCH|GROUPS|KERNEL/.test(field)) return 1 + (random() % 4);
  if (/ROW_BLOCK/.test(field)) return random() % 4 ? 12 : 1 + (random() % 16);
  if (/ELEMENT_BYTES/.test(field)) return pick(random, [1, 2, 4, 8]);
  if (/STRIDE\d|_OUTER|_INNER|_AXIS/.test(field)) return (random() % 12) - 2;
  // The one constant here is a plain copy.
  if (field === "PAIR_SAFE") return 0;
  if (field === "WEIGHT_BITS") return 8;
  if (/PAD|TRANSPOSED|BOUNDED|ROLLING|INCLUDE|MAJOR|LOG|PACKING/.test(field)) return random() % 3;
  return random() % 4 ? 1 + (random() % 4) : 1 + (random() % 16);
}

/** Whatever bytes an arena may start with: small numbers, floats of every kind, indices far out. */
function fillArena(arena: Uint8Array, random: Random): void {
  const words = new Int32Array(arena.length / 4).map(() => hostileWord(random));
  arena.set(new Uint8Array(words.buffer));
}

/** A copy of the arena with zeros wherever a step says that it writes. */
function withoutWrites(arena: Uint8Array, { plan }: Program): Uint8Array {
  const copy = arena.slice();
  for (const words of plan.steps) {
    const write = (address: number, bytes: number) => copy.fill(0, address - plan.constantsBytes, address - plan.constantsBytes + bytes);
    layoutOf(words[OPCODE]!)!.extents(words, { read: () => {}, write, check: () => {} });
  }
  return copy;
}

/** Proves and runs a program on hostile contents. Anything but a typed refusal, and any stray write, throws. */
function attempt(read: () => Program, random: Random): Outcome {
  let loaded: Program;
  try {
    loaded = read();
  } catch (error) {
    if (error instanceof FormatError) return "refused";
    throw error;
  }
  const { plan } = loaded;
  if (plan.constantsBytes + plan.arenaBytes > MAX_RUN_BYTES) return "too large to run";
  const instance = new Instance(loaded, plainModule);
  const data = dataAddress(planWords(plan));
  const arenaEnd = plan.constantsBytes + plan.arenaBytes;
  const before = instance.bytes(PLAN_ADDRESS - data, data - PLAN_ADDRESS + plan.constantsBytes);
  const behind = instance.bytes(arenaEnd, instance.memoryBytes - data - arenaEnd).fill(CANARY);
  const snapshot = before.slice();
  const arena = instance.bytes(plan.constantsBytes, plan.arenaBytes & ~3);
  fillArena(arena, random);
  const untouched = withoutWrites(arena, loaded);
  try {
    instance.run();
  } catch (error) {
    if (!(error instanceof RunError) || error.code !== "index-out-of-range") throw error;
  }
  if (Buffer.compare(before, snapshot) !== 0) throw new Error("the run wrote into the plan or the constants");
  if (Buffer.compare(withoutWrites(arena, loaded), untouched) !== 0)
    throw new Error("the run wrote into the arena outside of its steps' extents");
  if (behind.some((byte) => byte !== CANARY)) throw new Error("the run wrote behind the arena");
  return "ran";
}

/** Runs rounds from consecutive seeds and counts the outcomes. */
function rounds(count: number, label: string, round: (random: Random) => Outcome): Record<Outcome, number> {
  const outcomes = { refused: 0, ran: 0, "too large to run": 0 };
  for (let i = 0; i < count; i++) {
    const seed = SEED + i;
    try {
      outcomes[round(randomSource(seed))]++;
    } catch (cause) {
      throw new Error(
        `${label}: round with FUZZ_SEED=${seed} failed: ${cause instanceof Error ? `${cause.message} ${String(cause.cause ?? "")}` : String(cause)}`,
        { cause },
      );
    }
  }
  return outcomes;
}

/** A program of one step, sound as far as it can be found, and in half of the cases with one hostile word in it. */
function oneStep(module: StepModule, random: Random): Program {
  const words = new Int32Array(module.fields.length + 2);
  words[0] = module.opcode;
  words[1] = words.length;
  const bytes = Uint8Array.from({ length: CONSTANTS_BYTES }, () => (random() % 4 ? 0 : random()));
  const small = new Int32Array(bytes.buffer, 0, 64).map(() => random() % 3);
  bytes.set(new Uint8Array(small.buffer));
  const candidate = program({
    outputs: [{ name: "y", dtype: "int8", shape: [1], address: CONSTANTS_BYTES }],
    constants: [constant(0, bytes)],
    constantsBytes: CONSTANTS_BYTES,
    arenaBytes: ARENA_BYTES,
    steps: [words],
  });
  for (let tries = 0; tries < 1000; tries++) {
    for (const [i, field] of module.fields.entries()) words[i + 2] = plausibleWord(module.name, field, random);
    if (holds(candidate)) break;
  }
  if (random() % 2) words[2 + (random() % module.fields.length)] = hostileWord(random);
  return candidate;
}

function holds(candidate: Program): boolean {
  try {
    verifyProgram(candidate);
    return true;
  } catch {
    return false;
  }
}

it.each(stepModules().map((module) => [module.name, module] as const))(
  "%s: hostile words are refused or run within the arena",
  (name, module) => {
    const outcomes = rounds(ROUNDS, name, (random) => {
      const hostile = oneStep(module, random);
      return attempt(() => {
        verifyProgram(hostile);
        return hostile;
      }, random);
    });
    expect(outcomes.ran, JSON.stringify(outcomes)).toBeGreaterThan(ROUNDS / 10);
    expect(outcomes.refused, JSON.stringify(outcomes)).toBeGreaterThan(0);
  },
);

it("refuses or runs files with changed bytes and hashes put right", () => {
  const sound = smallFile();
  const outcomes = rounds(ROUNDS * 4, "changed bytes", (random) => {
    const file = sound.slice();
    for (let n = 1 + (random() % 4); n > 0; n--)
      file[random() % file.length] = random() % 3 ? random() : pick(random, [0, 1, 0x7f, 0x80, 0xff]);
    return attempt(() => readEqm(reseal(file), scanner), random);
  });
  expect(outcomes.refused).toBeGreaterThan(ROUNDS);
});

it("refuses or runs files with changed words of plan and constants table", () => {
  const sound = smallFile();
  const sections = allSections(sound);
  const outcomes = rounds(ROUNDS * 2, "changed words", (random) => {
    const kind = pick(random, [File.PLAN, File.CONSTANTS_TABLE]);
    const words = decodeWords(sections.get(kind)!, 0, scanner);
    for (let n = 1 + (random() % 2); n > 0; n--) words[random() % words.length] = hostileWord(random);
    return attempt(() => readEqm(withSections(sound, new Map(sections).set(kind, encodeWords(words))), scanner), random);
  });
  expect(outcomes.refused).toBeGreaterThan(ROUNDS);
});

it("refuses or runs files with changed metadata", () => {
  const sound = smallFile();
  const sections = allSections(sound);
  const text = Buffer.from(sections.get(File.METADATA)!).toString();
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "-",
    "1e999",
    "9",
    "null",
    "true",
    '"__proto__"',
    '"x"',
    "\\ud800",
    "\u0000",
    "[".repeat(300),
    "1.5",
    "4294967296",
  ];
  const outcomes = rounds(ROUNDS * 2, "changed metadata", (random) => {
    const at = random() % text.length;
    const changed = text.slice(0, at) + pick(random, pieces) + text.slice(at + (random() % 4));
    return attempt(() => readEqm(withSections(sound, new Map(sections).set(File.METADATA, Buffer.from(changed))), scanner), random);
  });
  expect(outcomes.refused).toBeGreaterThan(ROUNDS);
});
