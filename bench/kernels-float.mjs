/**
 * Speed of the float32 kernels on one thread: `node bench/kernels-float.mjs [--only=text] [build…]` (default: plain) times one-step plans
 * on build/<name>.wasm, the builds taking turns of a few milliseconds. Products in GMAC/s, the rest in GB/s of input and output together.
 * The figure is the third fastest turn: what the kernel does while nothing else disturbs the machine.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = new URL("../", import.meta.url);
const TURN_MS = 3;
const TURNS = 60;
const STEPS = ["conv-f32", "depthwise-f32", "matmul-f32", "binary", "unary", "softmax", "pool", "reduce", "copy"];
const { memory, Opcode, Packing, ...layout } = await layouts();

/** The step layouts and packings, compiled from format/. */
async function layouts() {
  const steps = STEPS.map((name) => `export * as ${name.replace(/-(.)/g, (_, c) => c.toUpperCase())} from "./format/steps/${name}.ts";`);
  const contents = ["memory", "opcodes", "packings"]
    .map((name, i) => `export * as ${["memory", "Opcode", "Packing"][i]} from "./format/${name}.ts";`)
    .concat(steps)
    .join("\n");
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: fileURLToPath(root), loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const floatBits = (x) => new Int32Array(new Float32Array([x]).buffer)[0];
const LIMITS = { MIN: floatBits(0), MAX: floatBits(6) };

/** Stands for a memory with one instance of a build: reserves regions and makes one step. */
function bench(build) {
  const wasm = new WebAssembly.Memory({ initial: 1024 });
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
  const noise = (count) => {
    const at = reserve(count * 4);
    const array = new Float32Array(wasm.buffer, data + at, count);
    let s = 1;
    for (let i = 0; i < count; i++) array[i] = (s = (Math.imul(s, 1664525) + 1013904223) | 0) / 2 ** 31;
    return at;
  };
  const constant = (packing, count, p0, p1 = 0) => {
    const packed = reserve(Packing.packedBytes(packing, count * 4, p0, p1, 0));
    runtime.pack(packing, data + noise(count), data + packed, count * 4, p0, p1, 0);
    return packed;
  };
  const step = (opcode, names, fields) => {
    const words = new Int32Array(names.WORDS);
    words[0] = opcode;
    words[1] = names.WORDS;
    for (const [key, value] of Object.entries(fields)) words[names[key]] = value;
    new Int32Array(wasm.buffer, memory.PLAN_ADDRESS, words.length).set(words);
    return () => {
      const status = runtime.run(memory.PLAN_ADDRESS, memory.PLAN_ADDRESS + words.length * 4, data);
      if (status !== 0) throw new Error(`run returned ${status}`);
    };
  };
  return { reserve, noise, constant, step };
}

function conv(h, w, inC, outC, kernel = 1, stride = 1) {
  const pad = (kernel - 1) >> 1;
  const outH = Math.ceil(h / stride);
  const outW = Math.ceil(w / stride);
  const depth = kernel * kernel * inC;
  const rowBlock = Number(process.env.ROW_BLOCK) || layout.convF32.rowBlock(depth, outH * outW);
  return {
    work: outH * outW * outC * depth,
    prepare: (b) =>
      b.step(Opcode.CONV_F32, layout.convF32, {
        SRC: b.noise(h * w * inC),
        DST: b.reserve(outH * outW * outC * 4),
        WEIGHTS: b.constant(Packing.GEMM_F32, outC * depth, outC, depth),
        BIAS: b.constant(Packing.CHANNELS_32, outC, outC),
        SCRATCH: b.reserve(layout.convF32.scratchBytes(rowBlock, depth)),
        BATCH: 1,
        IN_H: h,
        IN_W: w,
        IN_C: inC,
        OUT_H: outH,
        OUT_W: outW,
        OUT_C: outC,
        KERNEL_H: kernel,
        KERNEL_W: kernel,
        STRIDE_H: stride,
        STRIDE_W: stride,
        DILATION_H: 1,
        DILATION_W: 1,
        PAD_TOP: pad,
        PAD_LEFT: pad,
        GROUPS: 1,
        SRC_PITCH: inC,
        DST_PITCH: outC,
        ROW_BLOCK: rowBlock,
        ...LIMITS,
      }),
  };
}

function depthwise(h, w, channels, kernel = 3, stride = 1) {
  const pad = (kernel - 1) >> 1;
  const outH = Math.ceil(h / stride);
  const outW = Math.ceil(w / stride);
  const taps = kernel * kernel;
  return {
    work: outH * outW * channels * taps,
    prepare: (b) =>
      b.step(Opcode.DEPTHWISE_F32, layout.depthwiseF32, {
        SRC: b.noise(h * w * channels),
        DST: b.reserve(outH * outW * channels * 4),
        WEIGHTS: b.constant(Packing.DEPTHWISE_F32, channels * taps, channels, taps),
        BIAS: b.constant(Packing.CHANNELS_32, channels, channels),
        SCRATCH: -1,
        BATCH: 1,
        IN_H: h,
        IN_W: w,
        CHANNELS: channels,
        OUT_H: outH,
        OUT_W: outW,
        KERNEL_H: kernel,
        KERNEL_W: kernel,
        STRIDE_H: stride,
        STRIDE_W: stride,
        DILATION_H: 1,
        DILATION_W: 1,
        PAD_TOP: pad,
        PAD_LEFT: pad,
        ...LIMITS,
      }),
  };
}

function matmul(batch, m, n, k, transposed) {
  return {
    work: batch * m * n * k,
    prepare: (b) =>
      b.step(Opcode.MATMUL_F32, layout.matmulF32, {
        A: b.noise(batch * m * k),
        B: b.noise(batch * k * n),
        DST: b.reserve(batch * m * n * 4),
        SCRATCH: b.reserve(layout.matmulF32.scratchBytes(m, n, k)),
        BATCH_OUTER: 1,
        BATCH_INNER: batch,
        M: m,
        N: n,
        K: k,
        A_OUTER: 0,
        A_INNER: m * k,
        B_OUTER: 0,
        B_INNER: k * n,
        B_TRANSPOSED: transposed ? 1 : 0,
        ALPHA: floatBits(1),
        ...LIMITS,
      }),
  };
}

const spread = (prefix, values, filler) =>
  Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${prefix}${i}`, values[i - 6 + values.length] ?? filler]));

function binary(op, dims, a, b) {
  const count = dims.reduce((x, y) => x * y);
  return {
    work: count * 12,
    prepare: (bench) =>
      bench.step(Opcode.BINARY, layout.binary, {
        A: bench.noise(count),
        B: bench.noise(count),
        DST: bench.reserve(count * 4),
        OP: layout.binary[op],
        DTYPE: 1,
        ...spread("DIM", dims, 1),
        ...spread("A_STRIDE", a, 0),
        ...spread("B_STRIDE", b, 0),
        ...LIMITS,
      }),
  };
}

function unary(op, count) {
  return {
    work: count * 8,
    prepare: (b) =>
      b.step(Opcode.UNARY, layout.unary, {
        SRC: b.noise(count),
        DST: b.reserve(count * 4),
        OP: layout.unary[op],
        COUNT: count,
        ALPHA: 0,
        BETA: floatBits(6),
      }),
  };
}

function softmax(outer, count, inner) {
  return {
    work: outer * count * inner * 8,
    prepare: (b) =>
      b.step(Opcode.SOFTMAX, layout.softmax, {
        SRC: b.noise(outer * count * inner),
        DST: b.reserve(outer * count * inner * 4),
        DTYPE: 1,
        OUTER: outer,
        COUNT: count,
        INNER: inner,
        SCALE: 0,
        LOG: 0,
        OUT_DTYPE: 1,
        OUT_SCALE: 0,
        OUT_ZERO: 0,
        SCRATCH: b.reserve(layout.softmax.scratchBytes(count)),
      }),
  };
}

function pool(kind, size, channels, kernel, stride) {
  const out = Math.floor((size - kernel) / stride) + 1;
  return {
    work: (size * size + out * out) * channels * 4,
    prepare: (b) =>
      b.step(Opcode.POOL, layout.pool, {
        SRC: b.noise(size * size * channels),
        DST: b.reserve(out * out * channels * 4),
        INDICES: -1,
        KIND: layout.pool[kind],
        DTYPE: 1,
        BATCH: 1,
        IN_D: 1,
        IN_H: size,
        IN_W: size,
        CHANNELS: channels,
        OUT_D: 1,
        OUT_H: out,
        OUT_W: out,
        KERNEL_D: 1,
        KERNEL_H: kernel,
        KERNEL_W: kernel,
        STRIDE_D: 1,
        STRIDE_H: stride,
        STRIDE_W: stride,
        DILATION_D: 1,
        DILATION_H: 1,
        DILATION_W: 1,
        ...LIMITS,
      }),
  };
}

function reduce(kind, outer, count, inner) {
  return {
    work: outer * (count + 1) * inner * 4,
    prepare: (b) =>
      b.step(Opcode.REDUCE, layout.reduce, {
        SRC: b.noise(outer * count * inner),
        DST: b.reserve(outer * inner * 4),
        KIND: layout.reduce[kind],
        DTYPE: 1,
        OUTER: outer,
        COUNT: count,
        INNER: inner,
        ...LIMITS,
      }),
  };
}

function copy(bytes, dims, src, dst) {
  const count = dims.reduce((x, y) => x * y);
  return {
    work: count * bytes * 2,
    prepare: (b) =>
      b.step(Opcode.COPY, layout.copy, {
        SRC: b.noise((count * bytes) / 4),
        DST: b.reserve(count * bytes * 2),
        ELEMENT_BYTES: bytes,
        ...spread("DIM", dims, 1),
        ...spread("SRC_STRIDE", src, 0),
        ...spread("DST_STRIDE", dst, 0),
      }),
  };
}

const CASES = {
  "1×1 16→96 @112": conv(112, 112, 16, 96),
  "1×1 96→24 @56": conv(56, 56, 96, 24),
  "1×1 24→144 @56": conv(56, 56, 24, 144),
  "1×1 64→384 @14": conv(14, 14, 64, 384),
  "1×1 576→96 @14": conv(14, 14, 576, 96),
  "1×1 960→160 @7": conv(7, 7, 960, 160),
  "128×1536×384": conv(1, 128, 1536, 384),
  "24×1536×384": conv(1, 24, 1536, 384),
  "fc 1024→1000": conv(1, 1, 1024, 1000),
  "3×3 64→64 @56": conv(56, 56, 64, 64, 3),
  "3×3 64→64 @20": conv(20, 20, 64, 64, 3),
  "3×3 16→16 @32": conv(32, 32, 16, 16, 3),
  "3×3 256→256 @14": conv(14, 14, 256, 256, 3),
  "3×3 3→32 @224 /2": conv(224, 224, 3, 32, 3, 2),
  "depthwise 144 @56": depthwise(56, 56, 144),
  "depthwise 96 @112 /2": depthwise(112, 112, 96, 3, 2),
  "depthwise 576 @14": depthwise(14, 14, 576),
  "depthwise 960 @7": depthwise(7, 7, 960),
  "depthwise 144 @56 /2": depthwise(56, 56, 144, 3, 2),
  "depthwise 32 @24 /2": depthwise(24, 24, 32, 3, 2),
  "depthwise 64 @25×5": depthwise(25, 5, 64),
  "depthwise 64 @12": depthwise(12, 12, 64),
  "depthwise 128 @6": depthwise(6, 6, 128),
  "depthwise 256 @3": depthwise(3, 3, 256),
  "depthwise 5×5 240 @28": depthwise(28, 28, 240, 5),
  "matmul 12×128×128×32": matmul(12, 128, 128, 32, true),
  "matmul 12×128×32×128": matmul(12, 128, 32, 128, false),
  "GB/s: add, alike": binary("ADD", [200_000], [1], [1]),
  "GB/s: add, one value": binary("ADD", [200_000], [1], [0]),
  "GB/s: mul, per channel 96": binary("MUL", [2000, 96], [96, 1], [0, 1]),
  "GB/s: mul, per channel 3": binary("MUL", [60_000, 3], [3, 1], [0, 1]),
  "GB/s: mul, per row": binary("MUL", [96, 2000], [2000, 1], [1, 0]),
  "GB/s: clamp": unary("CLAMP", 200_000),
  "GB/s: sigmoid": unary("SIGMOID", 100_000),
  "GB/s: exp": unary("EXP", 100_000),
  "GB/s: tanh": unary("TANH", 100_000),
  "GB/s: erf": unary("ERF", 100_000),
  "GB/s: log": unary("LOG", 100_000),
  "GB/s: softmax 1536×128": softmax(1536, 128, 1),
  "GB/s: softmax 21 × 64² columns": softmax(1, 21, 4096),
  "GB/s: maximum 3×3/2 64 @112": pool("MAXIMUM", 112, 64, 3, 2),
  "GB/s: average 7×7 1280": pool("AVERAGE", 7, 1280, 7, 7),
  "GB/s: mean of 49 × 1280": reduce("MEAN", 1, 49, 1280),
  "GB/s: mean of rows of 384": reduce("MEAN", 512, 384, 1),
  "GB/s: NCHW→NHWC 3×224²": copy(4, [50_176, 3], [1, 50_176], [3, 1]),
  "GB/s: NHWC→NCHW 3×224²": copy(4, [3, 50_176], [1, 3], [50_176, 1]),
  "GB/s: NHWC→NCHW 96×56²": copy(4, [96, 3136], [1, 96], [3136, 1]),
  "GB/s: bytes NCHW→NHWC 3×224²": copy(1, [50_176, 3], [1, 50_176], [3, 1]),
  "GB/s: bytes NHWC→NCHW 96×56²": copy(1, [96, 3136], [1, 96], [3136, 1]),
  "GB/s: concat 64 of 128 @56": copy(4, [3136, 64], [64, 1], [128, 1]),
};

const only = process.argv.find((argument) => argument.startsWith("--only="))?.slice(7) ?? "";
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const builds = names.length > 0 ? names : ["plain"];
console.log(["GMAC/s".padEnd(34), ...builds.map((name) => name.padStart(10))].join(""));
for (const [name, { work, prepare }] of Object.entries(CASES)) {
  if (!name.includes(only)) continue;
  const turns = builds.map((build) => ({ run: prepare(bench(build)), seconds: [], repeat: 1 }));
  for (const turn of turns) {
    const end = performance.now() + 60;
    let runs = 0;
    const start = performance.now();
    while (performance.now() < end) {
      turn.run();
      runs++;
    }
    turn.repeat = Math.max(1, Math.round((runs * TURN_MS) / (performance.now() - start)));
  }
  for (let i = 0; i < TURNS; i++) {
    for (const turn of turns) {
      const start = performance.now();
      for (let k = 0; k < turn.repeat; k++) turn.run();
      turn.seconds.push((performance.now() - start) / 1000 / turn.repeat);
    }
  }
  const rates = turns.map(({ seconds }) => work / 1e9 / seconds.sort((a, b) => a - b)[2]);
  console.log([name.padEnd(34), ...rates.map((rate) => rate.toFixed(1).padStart(10))].join(""));
}
