/** A temporary folder with a small classifier and its data, and the built command line run on it. */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeNpy } from "../../compiler/cli/data/npy.ts";
import { floatTensor, int, ints, model, node, value } from "../support/onnx-model.ts";

/** Samples of the classifier's data, and a picture. */
export const COUNT = 12;
export const PICTURE = fileURLToPath(new URL("./fixtures/jpeg/420.jpg", import.meta.url));
/** How pictures become the classifier's input. */
export const SPEC = { channels: "RGB", layout: "NCHW", resize: [8, 8], scale: 0.01, mean: 1 };

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** What a finished command left. */
export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder to work in. */
export interface Scratch {
  readonly folder: string;
  path(name: string): string;
  write(name: string, contents: Uint8Array | string): string;
  files(): readonly string[];
  /** Runs `eqm` in the folder. */
  eqm(...args: readonly string[]): Finished;
  /** Runs `eqm … --json` and gives what stdout holds; it has to be one JSON object. */
  json(...args: readonly string[]): Readonly<Record<string, unknown>>;
  /** Runs `eqm` and interrupts it after `ms` milliseconds, or once it printed `text` on stderr. */
  interrupt(after: { readonly ms: number } | { readonly text: string }, ...args: readonly string[]): Promise<Finished>;
  remove(): void;
}

/** An empty folder. */
export function createScratch(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), "eqm-cli-"));
  const path = (name: string): string => join(folder, name);
  const eqm = (...args: readonly string[]): Finished => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8" });
    return { status, stdout, stderr };
  };
  return {
    folder,
    path,
    write(name, contents) {
      writeFileSync(path(name), contents);
      return path(name);
    },
    files: () => readdirSync(folder).sort(),
    eqm,
    json(...args) {
      const { stdout, stderr } = eqm(...args, "--json");
      if (!/^\{.*\}\n$/.test(stdout)) throw new Error(`no JSON object on stdout: ${stdout}\n${stderr}`);
      return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
    },
    async interrupt(after, ...args) {
      const child = spawn(process.execPath, [cli, ...args], { cwd: folder });
      let [stdout, stderr] = ["", ""];
      let isStopped = false;
      const stop = (): void => {
        // Once: what it says of the interruption would otherwise bring a second one, while it ends.
        if (!isStopped) child.kill("SIGINT");
        isStopped = true;
      };
      child.stdout.on("data", (data) => {
        stdout += data;
      });
      child.stderr.on("data", (data) => {
        stderr += data;
        if ("text" in after && stderr.includes(after.text)) stop();
      });
      if ("ms" in after) setTimeout(stop, after.ms);
      const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
      return { status, stdout, stderr };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A folder with the classifier, its data and what it compiles to: m.onnx, x.npy, y.npy, spec.json, names.txt, pictures/ with list.csv, m.eqm. */
export function createCompiledScratch(): Scratch {
  const scratch = createScratch();
  scratch.write("m.onnx", classifier());
  scratch.write("x.npy", samples(COUNT));
  scratch.write(
    "y.npy",
    encodeNpy(
      "i4",
      [COUNT],
      Int32Array.from({ length: COUNT }, (_, i) => i % 4),
    ),
  );
  scratch.write("spec.json", JSON.stringify(SPEC));
  scratch.write("names.txt", "one\ntwo\nthree\nfour\n");
  mkdirSync(scratch.path("pictures"));
  for (const name of ["b.jpg", "a.jpg"]) copyFileSync(PICTURE, scratch.path(`pictures/${name}`));
  scratch.write("pictures/list.csv", "file,label\na.jpg,1\nb.jpg,2\n");
  const args = ["compile", "m.onnx", "-o", "m.eqm", "--calibrate", "x.npy", "--preprocess", "spec.json", "--labels", "names.txt"];
  const { status, stderr } = scratch.eqm(...args);
  if (status !== 0 || stderr !== "") throw new Error(`the classifier did not compile: ${stderr}`);
  return scratch;
}

/** Numbers of a linear congruential generator, in [0, 1). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A convolution, global pooling and a dense layer over [N, 3, 8, 8]: four classes. */
export function classifier(): Uint8Array {
  const random = createRandom(7);
  const weights = (count: number): number[] => Array.from({ length: count }, () => random() - 0.5);
  return model({
    inputs: [value("image", ["N", 3, 8, 8])],
    outputs: ["scores"],
    initializers: [
      floatTensor("w", [8, 3, 3, 3], weights(216)),
      floatTensor("b", [8], weights(8)),
      floatTensor("v", [4, 8], weights(32)),
      floatTensor("c", [4], weights(4)),
    ],
    nodes: [
      node("Conv", ["image", "w", "b"], ["conv"], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) }, { name: "the_conv" }),
      node("Relu", ["conv"], ["relu"]),
      node("GlobalAveragePool", ["relu"], ["pooled"]),
      node("Flatten", ["pooled"], ["flat"]),
      node("Gemm", ["flat", "v", "c"], ["scores"], { transB: int(1) }, { name: "the_gemm" }),
    ],
  });
}

/** `count` float samples for the classifier, as a .npy. */
export function samples(count: number, seed = 1): Uint8Array {
  const random = createRandom(seed);
  return encodeNpy(
    "f4",
    [count, 3, 8, 8],
    Float32Array.from({ length: count * 192 }, () => random() * 2 - 1),
  );
}
