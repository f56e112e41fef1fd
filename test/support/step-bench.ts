/**
 * One-step plans through the real `run`: a memory laid out as format/memory.ts draws it, with guard words between regions.
 *
 *   const bench = stepBench("plain");
 *   const src = bench.put(new Int8Array([1, 2, 3]));
 *   const dst = bench.reserve(3);
 *   bench.run(Opcode.TABLE_I8, TableI8, { SRC: src, DST: dst, TABLE: table, COUNT: 3 });
 *   bench.read(Int8Array, dst, 3)
 *
 * `run` throws where a field is missing, where the step's own `extents` leave the data region, where the runtime returns a
 * status other than OK, and where a guard word behind a region was overwritten. It then runs the step once more, cut into slices as for
 * threads (host/slices.ts), and throws where those touch more than the step or leave another byte in any region.
 *
 * All benches of a build share one memory, which costs far more than a step: a new bench ends the one before it.
 */
import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import type { Extents } from "../../format/extents.ts";
import { ALIGNMENT, dataAddress, GUARD_BYTES, PAGE_BYTES, PLAN_ADDRESS } from "../../format/memory.ts";
import { packedBytes } from "../../format/packings.ts";
import { cutStep, scratchWord } from "../../host/slices.ts";

/** A step's layout module: word indices, WORDS and extents. */
export interface StepLayout {
  readonly WORDS: number;
  readonly extents?: (words: Int32Array, extents: Extents) => void;
}

type TypedArrayClass<T> = { new (buffer: ArrayBuffer, offset: number, length: number): T; readonly BYTES_PER_ELEMENT: number };
type AnyTypedArray = Int8Array | Uint8Array | Int16Array | Int32Array | Float32Array | BigInt64Array;

interface RuntimeExports {
  useFusedDot(fused: number): number;
  init(): void;
  pack(packing: number, src: number, dst: number, bytes: number, p0: number, p1: number, p2: number): number;
  run(plan: number, end: number, data: number): number;
}

/** An instance of a build, on a memory that grows to what the largest bench asks for. */
interface Workbench {
  readonly memory: WebAssembly.Memory;
  readonly runtime: RuntimeExports;
  /** Where the bytes begin that no bench has touched since they were last GUARD. */
  used: number;
  /** How many benches there have been. */
  benches: number;
}

const workbenches = new Map<string, Workbench>();
const GUARD = 0x5a;
const PLAN_WORDS = 128;
/** Steps run by all benches, so that the number of slices varies. */
let runs = 0;

/** float32 bits of a number, as a step word. */
export function floatBits(x: number): number {
  return new Int32Array(new Float32Array([x]).buffer)[0]!;
}

interface Region {
  readonly address: number;
  readonly end: number;
}

function contains(whole: Region, part: Region): boolean {
  return part.address >= whole.address && part.end <= whole.end;
}

function touchedBy(layout: StepLayout, words: Int32Array): { readonly reads: Region[]; readonly writes: Region[] } {
  const reads: Region[] = [];
  const writes: Region[] = [];
  layout.extents?.(words, {
    read: (address, size) => void reads.push({ address, end: address + size }),
    write: (address, size) => void writes.push({ address, end: address + size }),
    check: (holds, claim) => {
      if (!holds) throw new Error(`extents: not so: ${claim}`);
    },
  });
  return { reads, writes };
}

/** A deterministic generator of uint32 (xorshift32). */
export function randomSource(seed: number): () => number {
  let s = seed | 0 || 1;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}

function workbench(name: string): Workbench {
  const known = workbenches.get(name);
  if (known) return known;
  const module = new WebAssembly.Module(readFileSync(new URL(`../../build/${name.replace("-fused", "")}.wasm`, import.meta.url)));
  const memory = new WebAssembly.Memory({ initial: 1 });
  const runtime = instantiateSync<RuntimeExports & Record<string, unknown>>(module, { env: { memory } }).exports;
  const made: Workbench = { memory, runtime, used: PAGE_BYTES, benches: 0 };
  workbenches.set(name, made);
  return made;
}

/** A bench on the build `name` (build/<name>.wasm; `relaxed-fused` is relaxed with the fused dot) with `pages` of 64 KiB. */
export function stepBench(name = "plain", pages = 64) {
  const shared = workbench(name);
  const { memory, runtime } = shared;
  const own = ++shared.benches;
  const missing = pages - memory.buffer.byteLength / PAGE_BYTES;
  if (missing > 0) {
    memory.grow(missing);
    shared.used = memory.buffer.byteLength;
  }
  runtime.init();
  if (name.endsWith("-fused") && runtime.useFusedDot(1) !== 1) throw new Error("the fused dot is not exact here");
  const data = dataAddress(PLAN_WORDS);
  const bytes = new Uint8Array(memory.buffer, 0, pages * PAGE_BYTES);
  new Uint8Array(memory.buffer).fill(GUARD, data, shared.used);
  shared.used = data;
  let top = 0;
  const regions: { readonly address: number; readonly bytes: number }[] = [];

  function mustBeLast(): void {
    if (own !== shared.benches) throw new Error("another bench of this build has been made: this one has ended");
  }

  /** A region of `size` bytes with a guard behind it: its offset in the data region. */
  function reserve(size: number): number {
    mustBeLast();
    const address = top;
    top = (address + size + GUARD_BYTES + ALIGNMENT - 1) & -ALIGNMENT;
    if (data + top > pages * PAGE_BYTES) throw new Error(`the bench is full: ask for more than ${pages} pages`);
    shared.used = data + top;
    regions.push({ address, bytes: size });
    return address;
  }

  function put(array: AnyTypedArray): number {
    const address = reserve(array.byteLength);
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), data + address);
    return address;
  }

  /** Packs a canonical array as the loader does. */
  function constant(packing: number, array: AnyTypedArray, p0 = 0, p1 = 0, p2 = 0): number {
    const src = put(array);
    const size = packedBytes(packing, array.byteLength, p0, p1, p2);
    const dst = reserve(size);
    const status = runtime.pack(packing, data + src, data + dst, array.byteLength, p0, p1, p2);
    if (status !== 0) throw new Error(`pack returned ${status}`);
    checkGuards("pack");
    return dst;
  }

  function checkGuards(what: string): void {
    for (const { address, bytes: size } of regions) {
      for (let i = 0; i < GUARD_BYTES; i++) {
        if (bytes[data + address + size + i] !== GUARD) {
          throw new Error(`${what} wrote ${i} bytes behind the region at ${address} of ${size} bytes`);
        }
      }
    }
  }

  function run(opcode: number, layout: StepLayout, fields: Readonly<Record<string, number>>): void {
    mustBeLast();
    const words = new Int32Array(layout.WORDS);
    words[0] = opcode;
    words[1] = layout.WORDS;
    const names = Object.entries(layout).filter(
      ([key, value]) => typeof value === "number" && /^[A-Z][A-Z0-9_]*$/.test(key) && key !== "WORDS",
    );
    const index = new Map(names.map(([key, value]) => [key, value as number]));
    const given = new Set<number>();
    for (const [key, value] of Object.entries(fields)) {
      const at = index.get(key);
      if (at === undefined) throw new Error(`the layout has no word ${key}`);
      if (!Number.isInteger(value)) throw new Error(`${key} is ${value}: not an integer (float32 goes in as bits)`);
      words[at] = value;
      given.add(at);
    }
    if (given.size !== layout.WORDS - 2) throw new Error(`${layout.WORDS - 2 - given.size} words of the step are not given`);
    const { reads, writes } = touchedBy(layout, words);
    for (const { address, end } of reads) within(address, end - address, "reads");
    for (const { address, end } of writes) within(address, end - address, "writes");
    const before = bytes.slice(data, data + top);
    runWords(words);
    checkGuards("run");
    runSlices(layout, words, before);
  }

  function runWords(words: Int32Array): void {
    new Int32Array(memory.buffer, PLAN_ADDRESS, PLAN_WORDS).set(words);
    const status = runtime.run(PLAN_ADDRESS, PLAN_ADDRESS + words.length * 4, data);
    if (status !== 0) throw new Error(`run returned ${status}`);
  }

  /** Two to four slices, the last first, from what stood in the memory `before`; all regions but scratch are then as the whole step left them. */
  function runSlices(layout: StepLayout, words: Int32Array, before: Uint8Array): void {
    const slices = cutStep(words, 2 + (runs++ % 3));
    if (!slices) return;
    const scratch = scratchWord(words[0]!);
    const scratchAddress = scratch === undefined ? -1 : words[scratch]!;
    const whole = touchedBy(layout, words);
    const touched = slices.map((slice) => touchedBy(layout, slice));
    for (const { reads, writes } of touched) {
      if (!reads.every((region) => whole.reads.some((other) => contains(other, region))))
        throw new Error("a slice reads more than the step");
      if (!writes.every((region) => whole.writes.some((other) => contains(other, region))))
        throw new Error("a slice writes more than the step");
    }
    const results = touched.map(({ writes }) => writes[0]!);
    // Where a dimension further in strides over the one that is cut, a schedule leaves the step whole.
    const sorted = [...results].sort((a, b) => a.address - b.address);
    if (sorted.some(({ address }, i) => i > 0 && address < sorted[i - 1]!.end)) return;
    const after = bytes.slice(data, data + top);
    bytes.set(before, data);
    for (const slice of [...slices].reverse()) runWords(slice);
    checkGuards("a slice");
    for (const { address, bytes: size } of regions) {
      if (address === scratchAddress) continue;
      const sliced = bytes.subarray(data + address, data + address + size);
      if (Buffer.compare(sliced, after.subarray(address, address + size)) !== 0)
        throw new Error(`in ${slices.length} slices the step leaves other bytes in the region at ${address} of ${size} bytes`);
    }
    bytes.set(after, data);
  }

  function within(address: number, size: number, what: string): void {
    if (address < 0 || address + size > top) throw new Error(`extents: ${what} ${size} bytes at ${address}, the data ends at ${top}`);
  }

  function read<T>(type: TypedArrayClass<T>, address: number, count: number): T {
    mustBeLast();
    const size = count * type.BYTES_PER_ELEMENT;
    const copy = bytes.slice(data + address, data + address + size);
    return new type(copy.buffer, 0, count);
  }

  return { reserve, put, constant, run, read };
}
