/**
 * Speed of the int8 kernels, in GMAC/s on one thread: `node bench/kernels.mjs [build…] [--only regex]` (default: plain) times one-step
 * plans on build/<name>.wasm, shape by shape, the builds taking turns of a few milliseconds; `<build>:4` gives dense layers four-bit
 * weights, `<build>:runs` run-safe ones. `<build>:8x1:75` (or 8x2, 1x1) gives them weights of which 75 % are zero, in random blocks of outputs by columns, run as such
 * blocks. GMAC/s count all weights, those that are zero too. Weights of four bits and sparse ones are distributed like trained ones: normally, with
 * three standard deviations as the largest magnitude, 7 or 127; so not all of them are run-safe. Others are made to be what their kernel takes. The figure is the third fastest turn: what the kernel does while nothing
 * else disturbs the machine.
 *
 * `npm run bench:sparse` prints what lets the compiler choose between blocks and dense kernels (compiler/lower/sparse.ts): how many times as fast
 * as the dense kernel of run-safe weights each build's blocks are, by how many weights are zero, and the part of weights up to which they would win, on the
 * line through the times of all and of half of them.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildSync } from "esbuild";
import { zeroBlocks } from "./zero-blocks.mjs";

const root = new URL("../", import.meta.url);
const {
  CHANNELS_32,
  CONV_I8,
  ConvI8,
  DEPTHWISE_3X3_I8,
  DEPTHWISE_I8,
  DepthwiseI8,
  countPairs,
  countQuads,
  GEMM_BLOCKS_1_I8,
  GEMM_BLOCKS_2_I8,
  GEMM_I4,
  GEMM_I8,
  GEMM_PAIR_SAFE_I8,
  GEMM_RUN_SAFE_I8,
  GEMM_SCATTERED_I8,
  DEPTHWISE_I8_STEP,
  INT8,
  memory,
  PAIR_LIMIT,
  gemmDepth,
  packedBytes,
  pairsFit,
  runsFit,
} = await layouts();

const TURN_MS = 3;
const TURNS = 100;

/** [name, layer]; a 1×1 layer over rows is an image of height 1. */
const SHAPES = [
  ["1×1 16→96 @112", { h: 112, w: 112, inC: 16, outC: 96 }],
  ["1×1 24→144 @56", { h: 56, w: 56, inC: 24, outC: 144 }],
  ["1×1 96→24 @56", { h: 56, w: 56, inC: 96, outC: 24 }],
  ["1×1 64→384 @14", { h: 14, w: 14, inC: 64, outC: 384 }],
  ["1×1 576→96 @14", { h: 14, w: 14, inC: 576, outC: 96 }],
  ["1×1 960→160 @7", { h: 7, w: 7, inC: 960, outC: 160 }],
  ["128×1536×384", { h: 1, w: 128, inC: 1536, outC: 384 }],
  ["fc 1024→1000", { h: 1, w: 1, inC: 1024, outC: 1000 }],
  ["3×3 64→64 @56", { h: 56, w: 56, inC: 64, outC: 64, kernel: 3 }],
  ["1×1 8→16 @48", { h: 48, w: 48, inC: 8, outC: 16 }],
  ["1×1 32→32 @24", { h: 24, w: 24, inC: 32, outC: 32 }],
  ["1×1 64→64 25×5", { h: 25, w: 5, inC: 64, outC: 64 }],
  ["1×1 128→128 @6", { h: 6, w: 6, inC: 128, outC: 128 }],
  ["1×1 256→256 @3", { h: 3, w: 3, inC: 256, outC: 256 }],
  ["1×1 16→32 @32 /2", { h: 32, w: 32, inC: 16, outC: 32, stride: 2 }],
  ["3×3 16→16 @32", { h: 32, w: 32, inC: 16, outC: 16, kernel: 3 }],
  ["3×3 16→32 @32 /2", { h: 32, w: 32, inC: 16, outC: 32, kernel: 3, stride: 2 }],
  ["3×3 32→32 @16", { h: 16, w: 16, inC: 32, outC: 32, kernel: 3 }],
  ["3×3 64→64 @8", { h: 8, w: 8, inC: 64, outC: 64, kernel: 3 }],
  ["3×3 3→16 @32", { h: 32, w: 32, inC: 3, outC: 16, kernel: 3 }],
  ["10×4 1→64 @49×10 /2", { h: 49, w: 10, inC: 1, outC: 64, kernelH: 10, kernel: 4, stride: 2 }],
  ["3×3 3→8 @96 /2", { h: 96, w: 96, inC: 3, outC: 8, kernel: 3, stride: 2 }],
  ["3×3 3→32 @224 /2", { h: 224, w: 224, inC: 3, outC: 32, kernel: 3, stride: 2 }],
  ["depthwise 96 @112 /2", { h: 112, w: 112, inC: 96, kernel: 3, stride: 2, depthwise: true }],
  ["depthwise 240 @80", { h: 80, w: 80, inC: 240, kernel: 3, depthwise: true }],
  ["depthwise 144 @56", { h: 56, w: 56, inC: 144, kernel: 3, depthwise: true }],
  ["depthwise 576 @14", { h: 14, w: 14, inC: 576, kernel: 3, depthwise: true }],
  ["depthwise 64 @25×5", { h: 25, w: 5, inC: 64, kernel: 3, depthwise: true }],
  ["depthwise 128 @6", { h: 6, w: 6, inC: 128, kernel: 3, depthwise: true }],
  ["depthwise 32 @24", { h: 24, w: 24, inC: 32, kernel: 3, depthwise: true }],
  ["depthwise 960 @7", { h: 7, w: 7, inC: 960, kernel: 3, depthwise: true }],
  ["depthwise 5×5 240 @28", { h: 28, w: 28, inC: 240, kernel: 5, depthwise: true }],
];

/** Forms of sparse weights by the names that contestants have. */
const SPARSE_FORMS = {
  "8x1": { outputs: 8, columns: 1, packing: GEMM_BLOCKS_1_I8, mark: ConvI8.BLOCKS_OF_1, count: (...rows) => countQuads(...rows, 1) },
  "8x2": { outputs: 8, columns: 2, packing: GEMM_BLOCKS_2_I8, mark: ConvI8.BLOCKS_OF_2, count: (...rows) => countQuads(...rows, 2) },
  "1x1": { outputs: 1, columns: 1, packing: GEMM_SCATTERED_I8, mark: ConvI8.SCATTERED, count: countPairs },
};

/** What is timed at several sparsities: [name of SHAPES]. */
const SPARSE_SHAPES = /^(1×1 (16→96|96→24|64→384|576→96|960→160)|128×|fc|3×3 (64→64|16→16|32→32))/;
const SPARSITIES = [0, 50, 70, 80, 90];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" }, sparse: { type: "boolean", default: false } },
});
const builds = positionals.length > 0 ? positionals : ["plain"];
if (options.sparse) for (const build of builds) compareSparse(build);
else compareBuilds();

function compareBuilds() {
  console.log(["GMAC/s".padEnd(24), ...builds.map((name) => name.padStart(10))].join(""));
  for (const [name, layer] of SHAPES) {
    if (!new RegExp(options.only).test(name)) continue;
    const contestants = builds.map((build) => prepare(build, layer));
    console.log([name.padEnd(24), ...measure(contestants).map((gmacs) => gmacs.toFixed(1).padStart(10))].join(""));
  }
}

/** Prints blocks as multiples of the fastest dense kernel of a build: weights are nearly always made run-safe by how they are rounded. */
function compareSparse(build) {
  const heads = Object.keys(SPARSE_FORMS).flatMap((form) => [...SPARSITIES.map((percent) => `${form} ${percent} %`), "wins to"]);
  console.log([build.padEnd(24), ...heads.map((head) => head.padStart(10))].join(""));
  for (const [name, layer] of SHAPES) {
    if (!SPARSE_SHAPES.test(name) || !new RegExp(options.only).test(name)) continue;
    const forms = Object.keys(SPARSE_FORMS).map((form) => SPARSITIES.map((percent) => `${build}:${form}:${percent}`));
    const [dense, ...speeds] = measure([`${build}:runs`, ...forms.flat()].map((contestant) => prepare(contestant, layer)));
    const cells = forms.flatMap((_, i) => {
      const own = speeds.slice(i * SPARSITIES.length, (i + 1) * SPARSITIES.length);
      // Times: a part that does not depend on the weights, and one in proportion to those that are left.
      const slope = 2 * (1 / own[0] - 1 / own[SPARSITIES.indexOf(50)]);
      const wins = (1 / dense - (1 / own[0] - slope)) / slope;
      return [...own.map((speed) => (speed / dense).toFixed(2)), `${Math.round(100 * wins)} %`];
    });
    console.log([name.padEnd(24), ...cells.map((cell) => cell.padStart(10))].join(""));
  }
}

/** The step layouts and packings, compiled from format/. */
async function layouts() {
  const contents = `
    export * as ConvI8 from "./format/steps/conv-i8.ts";
    export * as DepthwiseI8 from "./format/steps/depthwise-i8.ts";
    export * as memory from "./format/memory.ts";
    export { CONV_I8, DEPTHWISE_I8 as DEPTHWISE_I8_STEP } from "./format/opcodes.ts";
    export { countQuads } from "./compiler/lower/blocks.ts";
    export { countPairs } from "./compiler/lower/sparse.ts";
    export { CHANNELS_32, DEPTHWISE_3X3_I8, DEPTHWISE_I8, GEMM_BLOCKS_1_I8, GEMM_BLOCKS_2_I8, GEMM_I4, GEMM_I8, GEMM_PAIR_SAFE_I8, GEMM_RUN_SAFE_I8, GEMM_SCATTERED_I8, PAIR_LIMIT, gemmDepth, packedBytes, pairsFit, runsFit } from "./format/packings.ts";
    export { INT8 } from "./format/dtypes.ts";`;
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: fileURLToPath(root), loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

/** An instance of a contestant with one step for `layer` in its memory: { macs, run }. */
function prepare(name, { h, w, inC, outC = inC, kernel = 1, kernelH = kernel, stride = 1, depthwise = false }) {
  const [build, form, percent] = name.split(":");
  const bits = form === "4" || form === "runs" ? form : "8";
  const sparse = depthwise ? undefined : SPARSE_FORMS[form];
  const wasm = new WebAssembly.Memory({ initial: 512 });
  const module = new WebAssembly.Module(readFileSync(new URL(`build/${build}.wasm`, root)));
  const runtime = new WebAssembly.Instance(module, { env: { memory: wasm } }).exports;
  runtime.init();
  const data = memory.dataAddress(128);
  let top = 0;
  const reserve = (bytes) => {
    const at = top;
    top = (top + bytes + 191) & -64;
    return at;
  };
  const noise = (array) => {
    let s = 1;
    for (let i = 0; i < array.length; i++) array[i] = s = (Math.imul(s, 1664525) + 1013904223) >> 8;
    return array;
  };
  const put = (array) => {
    const at = reserve(array.byteLength);
    new Uint8Array(wasm.buffer, data + at, array.byteLength).set(new Uint8Array(array.buffer));
    return at;
  };
  const constant = (packing, array, p0, p1 = 0, p2 = 0) => {
    const packed = reserve(packedBytes(packing, array.byteLength, p0, p1, p2));
    runtime.pack(packing, data + put(array), data + packed, array.byteLength, p0, p1, p2);
    return packed;
  };
  const outH = Math.ceil(h / stride);
  const outW = Math.ceil(w / stride);
  const padLeft = before(w, outW, kernel, stride);
  const perOutput = kernelH * kernel * (depthwise ? 1 : inC);
  const layout = depthwise ? DepthwiseI8 : ConvI8;
  const segments = ConvI8.segments(kernelH, kernel, inC, 1, 1, inC);
  const length = ConvI8.segmentLength(kernelH, kernel, inC, 1, 1, inC);
  const depth = gemmDepth(segments, length);
  const planarRows = ConvI8.planarRows(inC, outH, outW, kernelH, kernel, stride, stride, 1, 1);
  const planeRow = ConvI8.planeRowSize(inC, outW, kernel, stride, 1);
  const rowBlock = planarRows > 0 ? planarRows * outW : ConvI8.rowBlock(depth, outH * outW);
  const fits = pairsFit(segments, length);
  const safe = bits === "runs" && runsFit(segments, length) ? GEMM_RUN_SAFE_I8 : GEMM_PAIR_SAFE_I8;
  const [packing, weightBits] = bits === "4" && fits ? [GEMM_I4, 4] : [fits ? safe : GEMM_I8, 8];
  // Halved, any weights are pair-safe, and run-safe by a quarter.
  const weights = new Int8Array(outC * perOutput);
  if (!depthwise && (sparse || bits === "4")) fillNormally(weights, sparse ? 127 : 7);
  else noise(weights).forEach((w, i) => (weights[i] = w >> (bits === "runs" ? 2 : 1)));
  if (sparse) zeroBlocks(weights, outC, perOutput, sparse.outputs, sparse.columns, Number(percent) / 100);
  if (sparse?.columns === 2) limitPairs(weights, perOutput);
  const packed = () => {
    if (!sparse) return constant(packing, weights, outC, segments, length);
    return constant(sparse.packing, weights, outC, perOutput, sparse.count(weights, outC, perOutput));
  };
  const fields = {
    SRC: put(noise(new Int8Array(h * w * inC))),
    DST: reserve(outH * outW * outC),
    BIAS: constant(CHANNELS_32, new Int32Array(outC), outC),
    SCALE: constant(CHANNELS_32, new Float32Array(outC).fill(0.01 / Math.sqrt(perOutput)), outC),
    BATCH: 1,
    IN_H: h,
    IN_W: w,
    OUT_H: outH,
    OUT_W: outW,
    KERNEL_H: kernelH,
    KERNEL_W: kernel,
    STRIDE_H: stride,
    STRIDE_W: stride,
    DILATION_H: 1,
    DILATION_W: 1,
    PAD_TOP: before(h, outH, kernelH, stride),
    PAD_LEFT: padLeft,
    IN_ZERO: 3,
    OUT_ZERO: -5,
    MIN: -128,
    MAX: 127,
    BOUNDED: 1,
    ...(depthwise
      ? {
          CHANNELS: inC,
          ROLLING: kernel === 3 ? 1 : 0,
          WEIGHTS: kernel === 3 ? constant(DEPTHWISE_3X3_I8, weights, inC) : constant(DEPTHWISE_I8, weights, inC, kernel * kernel),
          SCRATCH: reserve(DepthwiseI8.scratchBytes(kernel, w, outW, kernel, stride, 1, padLeft, inC)),
        }
      : {
          IN_C: inC,
          OUT_C: outC,
          GROUPS: 1,
          SRC_PITCH: inC,
          DST_PITCH: outC,
          OUT_DTYPE: INT8,
          ROW_BLOCK: rowBlock,
          PAIR_SAFE: sparse ? sparse.mark : packing === GEMM_PAIR_SAFE_I8 ? 1 : packing === GEMM_RUN_SAFE_I8 ? ConvI8.RUN_SAFE : 0,
          WEIGHT_BITS: weightBits,
          WEIGHTS: packed(),
          PLANAR: planarRows > 0 ? 1 : 0,
          SCRATCH: reserve(
            planarRows > 0
              ? ConvI8.planarScratchBytes(depth, ConvI8.planeSize(planarRows, planeRow, kernelH, stride, 1))
              : ConvI8.scratchBytes(rowBlock, kernelH, kernel, inC, 1, stride, 1, 1, inC, outW),
          ),
        }),
  };
  const words = new Int32Array(wasm.buffer, memory.PLAN_ADDRESS, layout.WORDS);
  words[0] = depthwise ? DEPTHWISE_I8_STEP : CONV_I8;
  words[1] = layout.WORDS;
  for (const [name, value] of Object.entries(fields)) words[layout[name]] = value;
  const end = memory.PLAN_ADDRESS + layout.WORDS * 4;
  return { macs: outH * outW * outC * perOutput, run: () => runtime.run(memory.PLAN_ADDRESS, end, data) };
}

/** Normally distributed values, cut off at `largest`, which is three standard deviations. */
function fillNormally(values, largest) {
  let s = 1;
  for (let i = 0; i < values.length; i++) {
    let sum = -6;
    for (let j = 0; j < 12; j++) {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
      sum += s / 2 ** 32;
    }
    values[i] = Math.max(-largest, Math.min(largest, Math.round((sum * largest) / 3)));
  }
}

/** Makes what is more than a pair may have together a little smaller, as the compiler does by how it rounds. */
function limitPairs(weights, perOutput) {
  for (let row = 0; row < weights.length; row += perOutput) {
    for (let i = row; i + 1 < row + perOutput; i += 2) {
      const surplus = Math.abs(weights[i]) + Math.abs(weights[i + 1]) - PAIR_LIMIT;
      if (surplus <= 0) continue;
      weights[i] -= Math.sign(weights[i]) * (surplus >> 1);
      weights[i + 1] -= Math.sign(weights[i + 1]) * (surplus - (surplus >> 1));
    }
  }
}

/** The padding before the first of `size` pixels that gives `out` outputs, as "same" padding has it. */
function before(size, out, kernel, stride) {
  return ((out - 1) * stride + kernel - size) >> 1;
}

/** GMAC/s of each contestant, taking turns. */
function measure(contestants) {
  const turns = contestants.map(() => []);
  for (const { run } of contestants) {
    for (const start = performance.now(); performance.now() - start < 100; ) run();
  }
  for (let turn = 0; turn < TURNS; turn++) {
    contestants.forEach(({ macs, run }, i) => {
      const start = performance.now();
      let runs = 0;
      do {
        run();
        runs++;
      } while (performance.now() - start < TURN_MS);
      turns[i].push((macs * runs) / (performance.now() - start) / 1e6);
    });
  }
  return turns.map((values) => values.sort((a, b) => b - a)[2]);
}
