/** ONNX's own backend tests beside the project: which there are, their models, inputs and expected outputs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dataTypeName } from "../../compiler/onnx/data-types.ts";
import type { Message } from "../../compiler/onnx/fields.ts";
import { readTensor, refusedType } from "../../compiler/onnx/tensor.ts";
import { readMessage } from "../../compiler/onnx/wire.ts";
import { DTYPES, type Tensor } from "../../host/tensor.ts";

/** Where the tests lie: $EQM_ASSETS, or `shared` beside the project. */
export const root = join(process.env["EQM_ASSETS"] ?? join(import.meta.dirname, "../../../shared"), "conformance/onnx");

/** Whether the tests are on this machine. */
export const isPresent = existsSync(join(root, "tests.csv"));

/** One test, as tests.csv describes it. */
export interface ConformanceTest {
  readonly group: string;
  readonly name: string;
  /** The operator it tests; of an expanded one, the operator that was expanded; `composite` or `model`. */
  readonly op: string;
  readonly isRandom: boolean;
  readonly tier: number;
  /** Of tier 1: its types are common, its opset is 7 to 26. */
  readonly isCommon: boolean;
}

/** A tensor with the name of the graph's input or output. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/** What a test holds. `leftOut` names an element type that eqm does not compute with, and then there are no sets. */
export interface LoadedTest {
  readonly model: Uint8Array;
  readonly rtol: number;
  readonly atol: number;
  readonly leftOut: string | null;
  /** An element type that a wider one stands for, if there is one among inputs and outputs. */
  readonly represented: string | null;
  readonly sets: readonly { readonly inputs: readonly NamedTensor[]; readonly outputs: readonly NamedTensor[] }[];
}

/** All tests, in the order of tests.csv. */
export function listTests(): readonly ConformanceTest[] {
  const [header, ...lines] = readFileSync(join(root, "tests.csv"), "utf8").trim().split("\n");
  const columns = header!.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? "";
    const opset = Number(cell("opset"));
    return {
      group: cell("group"),
      name: cell("test"),
      op: cell("op_type"),
      isRandom: cell("notes").split(" ").includes("random"),
      tier: Number(cell("tier")),
      isCommon: cell("common_types") === "1" && opset >= 7 && opset <= 26,
    };
  });
}

/** Element types of ONNX that eqm computes with under their own name. */
const OWN: readonly string[] = ["FLOAT", ...DTYPES.filter((dtype) => dtype !== "float32").map((dtype) => dtype.toUpperCase())];
/** Those that a wider type stands for: the values are compared, the type is that of the wider one. */
const REPRESENTED: readonly string[] = ["FLOAT16", "BFLOAT16", "DOUBLE", "INT16", "UINT16", "UINT32", "UINT64"];

/** Reads a test's files. */
export function loadTest({ group, name }: ConformanceTest): LoadedTest {
  const folder = join(root, group, name);
  const model = readFileSync(join(folder, "model.onnx"));
  const graph = readMessage("ModelProto", model).graph!;
  const initializers = new Set(graph.initializer.map((tensor) => tensor.name));
  const inputs = graph.input.filter((input) => !initializers.has(input.name));
  const tolerance = existsSync(join(folder, "data.json"))
    ? (JSON.parse(readFileSync(join(folder, "data.json"), "utf8")) as { rtol?: number; atol?: number })
    : {};
  const types = [...inputs, ...graph.output].map(({ type }) => elementType(type));
  const leftOut = types.find((type) => !OWN.includes(type) && !REPRESENTED.includes(type)) ?? null;
  const represented = types.find((type) => REPRESENTED.includes(type)) ?? null;
  const sets = readdirSync(folder)
    .filter((entry) => entry.startsWith("test_data_set_"))
    .map((set) => {
      const read = (prefix: string, values: readonly { readonly name?: string | undefined }[]): readonly NamedTensor[] =>
        values.flatMap(({ name: value }, i) => {
          const file = join(folder, set, `${prefix}_${i}.pb`);
          return existsSync(file) ? [{ name: value!, tensor: readValue(readFileSync(file)) }] : [];
        });
      return { inputs: leftOut ? [] : read("input", inputs), outputs: leftOut ? [] : read("output", graph.output) };
    });
  return { model, represented, rtol: tolerance.rtol ?? 1e-3, atol: tolerance.atol ?? 1e-7, leftOut, sets: leftOut ? [] : sets };
}

function elementType(type: Message<"TypeProto"> | undefined): string {
  return type?.tensorType ? dataTypeName(type.tensorType.elemType ?? 0) : "a sequence or optional";
}

function readValue(bytes: Uint8Array): Tensor {
  const proto = readMessage("TensorProto", bytes);
  const refused = refusedType(proto.dataType ?? 0);
  if (refused) throw new Error(`unreachable: the data are ${refused}`);
  return readTensor(proto);
}
