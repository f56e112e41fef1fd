/** Runs the tests both ways and puts the outcomes into tables and lists. */
import { findOp } from "../../compiler/ops/index.ts";
import { difference } from "./compare.ts";
import { runCompiled } from "./compiled.ts";
import { runReference } from "./reference.ts";
import { type ConformanceTest, type LoadedTest, listTests, loadTest } from "./suite.ts";

/** The operators that eqm promises in float32, in the order of the README. */
export const PROMISED: readonly string[] = (
  "Conv Gemm MatMul Add Sub Mul Div Relu Clip LeakyRelu PRelu Sigmoid Tanh HardSwish HardSigmoid Softmax MaxPool AveragePool GlobalAveragePool " +
  "ReduceMean Concat Reshape Flatten Transpose Squeeze Unsqueeze Slice Pad DepthToSpace Exp Shape Gather Resize BatchNormalization " +
  "QuantizeLinear DequantizeLinear"
).split(" ");

/** What became of one test one way: null where it passed, else why not; `folded` where no kernel ran. */
export interface Outcome {
  readonly failure: string | null;
  readonly isFolded: boolean;
}

/** One test, both ways. */
export interface TestOutcome {
  readonly test: ConformanceTest;
  /** The element type for which it is left out, and then neither way ran. */
  readonly leftOut: string | null;
  /** An element type that a wider one stands for. */
  readonly represented: string | null;
  readonly reference: Outcome;
  readonly compiled: Outcome;
}

const NOT_RUN: Outcome = { failure: null, isFolded: false };

/** Whether a test is about an operator of ONNX that eqm has, or may have; whole networks of `light` are minutes of work, under LIGHT=1. */
function isAsked({ op, tier, group }: ConformanceTest): boolean {
  return group !== "light" && (tier < 3 || findOp(op) !== undefined || op === "composite" || op === "model");
}

/** Runs every test that is asked. */
export async function runAll(): Promise<readonly TestOutcome[]> {
  const outcomes: TestOutcome[] = [];
  for (const test of listTests().filter(isAsked)) {
    const loaded = loadTest(test);
    const leftOut = loaded.leftOut ?? (test.isRandom ? "random numbers" : null);
    outcomes.push({
      test,
      leftOut,
      represented: loaded.represented,
      reference: leftOut ? NOT_RUN : await attempt(loaded, (inputs) => ({ outputs: runReference(loaded.model, inputs), isFolded: false })),
      compiled: leftOut ? NOT_RUN : await attempt(loaded, (inputs) => runCompiled(loaded.model, inputs)),
    });
  }
  return outcomes;
}

type Run = (inputs: LoadedTest["sets"][number]["inputs"]) => Awaited<ReturnType<typeof runCompiled>> | ReturnType<typeof runCompiled>;

async function attempt({ sets, rtol, atol }: LoadedTest, run: Run): Promise<Outcome> {
  let isFolded = true;
  try {
    for (const { inputs, outputs } of sets) {
      const got = await run(inputs);
      isFolded &&= got.isFolded;
      if (got.outputs.length !== outputs.length)
        return { failure: `${got.outputs.length} outputs instead of ${outputs.length}`, isFolded: false };
      for (const [i, { name, tensor }] of outputs.entries()) {
        const problem = difference(tensor, got.outputs[i]!, rtol, atol);
        if (problem) return { failure: `${name}: ${problem}`, isFolded: false };
      }
    }
  } catch (error) {
    return { failure: error instanceof Error ? reasonOf(error) : String(error), isFolded: false };
  }
  return { failure: null, isFolded };
}

/** The error without advice: one line. */
function reasonOf(error: Error): string {
  const listed = (error as { details?: { unsupported?: readonly { op: string; reason: string }[] } }).details?.unsupported;
  if (listed) return [...new Set(listed.map(({ op, reason }) => `${op}: ${reason}`))].join("; ");
  return error.message.split("\n")[0]!;
}

interface Row {
  readonly op: string;
  readonly total: number;
  readonly leftOut: number;
  readonly reference: number;
  readonly compiled: number;
  readonly folded: number;
}

function rowOf(op: string, all: readonly TestOutcome[]): Row {
  const own = all.filter(({ test }) => test.op === op);
  const run = own.filter(({ leftOut }) => leftOut === null);
  return {
    op,
    total: run.length,
    leftOut: own.length - run.length,
    reference: run.filter(({ reference }) => reference.failure === null).length,
    compiled: run.filter(({ compiled }) => compiled.failure === null && !compiled.isFolded).length,
    folded: run.filter(({ compiled }) => compiled.isFolded).length,
  };
}

/** One line for each tier: how many tests of all that are not random the compiled model passes. */
function tiers(all: readonly TestOutcome[]): readonly string[] {
  const line = (name: string, holds: (test: ConformanceTest) => boolean): string => {
    const own = all.filter(({ test }) => holds(test) && !test.isRandom);
    const passed = own.filter(({ leftOut, compiled }) => leftOut === null && compiled.failure === null);
    const widened = passed.filter(({ represented }) => represented !== null);
    return `| ${name} | ${own.length} | ${passed.length} | ${((100 * passed.length) / own.length).toFixed(1)} % | ${widened.length} |`;
  };
  return [
    "| tier | tests | compiled passes | | of these by a wider type |",
    "|---|--:|--:|--:|--:|",
    line("1, common types, opset 7 to 26", ({ tier, isCommon }) => tier === 1 && isCommon),
    line("1, all", ({ tier }) => tier === 1),
    line("2, all", ({ tier }) => tier === 2),
  ];
}

function table(rows: readonly Row[]): readonly string[] {
  const sum = (pick: (row: Row) => number): number => rows.reduce((total, row) => total + pick(row), 0);
  const line = ({ op, total, reference, compiled, folded, leftOut }: Row): string =>
    `| ${op} | ${total} | ${reference} | ${compiled} | ${folded} | ${leftOut} |`;
  const all: Row = {
    op: "**all**",
    total: sum((row) => row.total),
    leftOut: sum((row) => row.leftOut),
    reference: sum((row) => row.reference),
    compiled: sum((row) => row.compiled),
    folded: sum((row) => row.folded),
  };
  return [
    "| operator | tests | reference passes | compiled passes | by folding alone | left out |",
    "|---|--:|--:|--:|--:|--:|",
    ...rows.map(line),
    line(all),
  ];
}

/** The text of EXPECTED.md. */
export function summary(all: readonly TestOutcome[]): string {
  const others = [...new Set(all.map(({ test }) => test.op))].filter((op) => !PROMISED.includes(op)).sort();
  const failures = (of: (outcome: TestOutcome) => Outcome): readonly string[] =>
    all
      .filter((outcome) => of(outcome).failure !== null)
      .map((outcome) => `- ${outcome.test.op}: ${outcome.test.group}/${outcome.test.name}: ${of(outcome).failure}`);
  const promised = (line: string): boolean => PROMISED.includes(line.slice(2, line.indexOf(":")));
  const list = (lines: readonly string[]): readonly string[] => (lines.length === 0 ? ["None."] : lines);
  const types = [...new Set(all.map(({ leftOut }) => leftOut))].filter((type) => type !== null).sort();
  return [
    "# ONNX conformance",
    "",
    "Written by `UPDATE=1 npm run conformance`, checked by `npm run conformance`. The tests are ONNX's own (onnx 1.22, opsets 6 to 28) with the tolerance of its runner,",
    "integers exactly. Reference: compiler/ops, node by node. Compiled: `compile` with precision float32, then the shipped runtime; inputs that decide shapes are",
    "bound as constants. Tests whose outputs folding alone produced count apart. eqm has float32, int8, uint8, int32, int64 and bool; float16, bfloat16 and float64 are",
    "float32 tensors here, int16 and uint16 int32, uint32 and uint64 int64: of tests with these, the values are compared. Left out are tests with random outputs and",
    "with element types that eqm does not compute with; in the percentages these count as failed. The seven networks of the group light run under LIGHT=1.",
    "",
    ...tiers(all),
    "",
    "## Operators of the supported list",
    "",
    ...table(PROMISED.map((op) => rowOf(op, all))),
    "",
    "Failures of the reference:",
    "",
    ...list(failures(({ reference }) => reference).filter(promised)),
    "",
    "Failures of the compiled model:",
    "",
    ...list(failures(({ compiled }) => compiled).filter(promised)),
    "",
    "## Other operators that the compiler knows",
    "",
    ...table(others.map((op) => rowOf(op, all))),
    "",
    "Failures of the reference:",
    "",
    ...list(failures(({ reference }) => reference).filter((line) => !promised(line))),
    "",
    "Failures of the compiled model:",
    "",
    ...list(failures(({ compiled }) => compiled).filter((line) => !promised(line))),
    "",
    "## Left out",
    "",
    ...types.map(
      (type) =>
        `- ${type}: ${all
          .filter(({ leftOut }) => leftOut === type)
          .map(({ test }) => test.name)
          .join(", ")}`,
    ),
    "",
  ].join("\n");
}
