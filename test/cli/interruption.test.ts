/** Ctrl-C in the midst of the long phases of compiling. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { encodeNpy } from "../../compiler/cli/data/npy.ts";
import { floatTensor, ints, model, node, value } from "../support/onnx-model.ts";
import { createRandom, createScratch, type Scratch } from "./scratch.ts";

const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
/** Lets the progress, which names the phases, be written to a pipe. */
const AS_TERMINAL = "data:text/javascript,process.stderr.isTTY=true";
const LAYERS = 8;
let scratch: Scratch;

beforeAll(() => {
  scratch = createScratch();
  scratch.write("slow.onnx", slowModel());
});

afterAll(() => scratch.remove());

/** Convolutions of 32 channels over 48 by 48: a second or more in each phase. */
function slowModel(): Uint8Array {
  const random = createRandom(5);
  const layers = Array.from({ length: LAYERS }, (_, i) => i);
  return model({
    inputs: [value("x0", [1, 32, 48, 48])],
    outputs: [`x${LAYERS}`],
    initializers: layers.flatMap((i) => [
      floatTensor(
        `w${i}`,
        [32, 32, 3, 3],
        Array.from({ length: 9216 }, () => (random() - 0.5) / 8),
      ),
      floatTensor(
        `b${i}`,
        [32],
        Array.from({ length: 32 }, () => random() - 0.5),
      ),
    ]),
    nodes: layers.map((i) =>
      node("Conv", [`x${i}`, `w${i}`, `b${i}`], [`x${i + 1}`], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) }, { name: `conv${i}` }),
    ),
  });
}

/** Interrupts `eqm` once stderr shows `phase`. `delayMs` is from there to the end of the process. */
async function interruptDuring(
  phase: string,
  ...args: readonly string[]
): Promise<{ readonly status: number | null; readonly lastLine: string | undefined; readonly delayMs: number }> {
  const child = spawn(process.execPath, ["--import", AS_TERMINAL, cli, ...args], { cwd: scratch.folder });
  let stderr = "";
  let interruptedAt: number | undefined;
  child.stderr.on("data", (data) => {
    stderr += data;
    if (interruptedAt !== undefined || !stderr.includes(phase)) return;
    interruptedAt = performance.now();
    child.kill("SIGINT");
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (interruptedAt === undefined) throw new Error(`the phase "${phase}" never came: ${stderr}`);
  return { status, lastLine: stderr.trimEnd().split("\n").at(-1), delayMs: performance.now() - interruptedAt };
}

it.each(["calibrate", "compare", "correct biases"])("stops within a second during %s, with 130, and leaves no file", async (phase) => {
  const { status, lastLine, delayMs } = await interruptDuring(`${phase} `, "compile", "slow.onnx", "-o", "slow.eqm", "--force");
  expect(status).toBe(130);
  expect(lastLine).toMatch(/eqm: interrupted; nothing was written\.$/);
  expect(delayMs).toBeLessThan(1000);
  expect(scratch.files()).toEqual(["slow.onnx"]);
});

it.each(["calibrate", "round weights"])("stops as soon during %s where workers do it", async (phase) => {
  const random = createRandom(6);
  scratch.write(
    "x.npy",
    encodeNpy(
      "f4",
      [4, 32, 48, 48],
      Float32Array.from({ length: 4 * 73728 }, () => random() - 0.5),
    ),
  );
  const args = ["compile", "slow.onnx", "-o", "slow.eqm", "--force", "--calibrate", "x.npy", "--workers", "2"];
  const { status, lastLine, delayMs } = await interruptDuring(`${phase} `, ...args);
  expect(status).toBe(130);
  expect(lastLine).toMatch(/eqm: interrupted; nothing was written\.$/);
  expect(delayMs).toBeLessThan(1000);
  expect(scratch.files()).not.toContain("slow.eqm");
});
