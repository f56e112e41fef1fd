/** The .tflite files that the benchmark gives LiteRT.js: read back field by field. That they compute the same, the benchmark itself states. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { channelsLast } from "../../compiler/passes/channels-last.ts";
import { importGraph } from "../../compiler/pipeline.ts";

interface Tensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly data?: Float32Array | Int8Array | Int32Array;
  readonly quantization?: { readonly scales: readonly number[]; readonly zeroPoints: readonly number[]; readonly axis?: number };
}
interface Model {
  readonly tensors: readonly Tensor[];
  readonly operators: readonly {
    readonly operator: string;
    readonly inputs: readonly number[];
    readonly outputs: readonly number[];
    readonly options?: Readonly<Record<string, unknown>>;
  }[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly ports: object;
}
const tflite = async <T>(file: string): Promise<T> => import(new URL(`../../bench/tflite/${file}`, import.meta.url).href);
const EXAMPLE = new URL("../../examples/doodles/model.onnx", import.meta.url);
const isInstalled = existsSync(new URL("../../bench/node_modules/flatbuffers", import.meta.url));

describe.skipIf(!isInstalled)("a .tflite", async () => {
  if (!isInstalled) return;
  const { writeTflite } = await tflite<{ writeTflite(model: object): Uint8Array }>("format.mjs");
  const { toTflite } = await tflite<{ toTflite(graph: object): Model }>("convert.mjs");

  it("holds tensors, constants, scales and options where readers look for them", () => {
    const file = reader(
      writeTflite({
        tensors: [
          { name: "x", type: "float32", shape: [1, 2] },
          { name: "q", type: "int8", shape: [1, 2], quantization: { scales: [0.5], zeroPoints: [-3] } },
          {
            name: "w",
            type: "int8",
            shape: [2, 2],
            data: Int8Array.of(1, -2, 3, -4),
            quantization: { scales: [0.25, 2], zeroPoints: [0, 0] },
          },
        ],
        operators: [
          { operator: "QUANTIZE", inputs: [0], outputs: [1] },
          { operator: "CONV_2D", inputs: [1, 2], outputs: [1], options: { padding: 1, strideH: 2, strideW: 3, activation: 3 } },
        ],
        inputs: [0],
        outputs: [1],
      }),
    );
    const { root, table, scalars, tables } = file;
    expect([file.identifier, table(root).int(0)]).toEqual(["TFL3", 3]);
    expect(tables(root, 1).map((code) => [table(code).byte(0), table(code).int(3), table(code).int(2)])).toEqual([
      [114, 114, 1],
      [3, 3, 3],
    ]);
    const [graph = 0] = tables(root, 2);
    const [x = 0, q = 0, w = 0] = tables(graph, 0);
    expect([x, q, w].map((tensor) => [scalars(tensor, 0), table(tensor).byte(1), table(tensor).int(2)])).toEqual([
      [[1, 2], 0, 0],
      [[1, 2], 9, 0],
      [[2, 2], 9, 1],
    ]);
    expect(file.floats(table(q).offset(4), 2)).toEqual([0.5]);
    expect(file.longs(table(q).offset(4), 3)).toEqual([-3n]);
    expect(file.floats(table(w).offset(4), 2)).toEqual([0.25, 2]);
    const [, weights = 0] = tables(root, 4);
    expect(file.bytes(weights, 0)).toEqual([1, 254, 3, 252]);
    const [, conv = 0] = tables(graph, 3);
    expect([scalars(conv, 1), scalars(conv, 2), table(conv).byte(3)]).toEqual([[1, 2], [1], 1]);
    const options = table(table(conv).offset(4));
    expect([options.byte(0), options.int(1), options.int(2), options.byte(3)]).toEqual([1, 3, 2, 3]);
  });

  it("has images and filters channels last, activations fused, and a PAD where SAME is another padding", () => {
    const { graph } = importGraph(new Uint8Array(readFileSync(EXAMPLE)), {});
    channelsLast(graph);
    const model = toTflite(graph);
    expect(model.inputs.map((index) => model.tensors[index]?.shape)).toEqual([[1, 32, 32, 3]]);
    expect(model.outputs.map((index) => model.tensors[index]?.shape)).toEqual([[1, 12]]);
    const names = model.operators.map(({ operator }) => operator);
    expect(names.slice(0, 4)).toEqual(["CONV_2D", "PAD", "DEPTHWISE_CONV_2D", "CONV_2D"]);
    expect(names.slice(-4)).toEqual(["RESHAPE", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]);

    const [first, , depthwise] = model.operators;
    expect(first?.options).toMatchObject({ padding: 0, strideH: 1, strideW: 1, activation: 1 });
    expect(depthwise?.options).toMatchObject({ padding: 1, strideH: 2, strideW: 2, multiplier: 1, activation: 1 });
    const filters = model.tensors[first?.inputs[1] ?? -1];
    const source = graph.nodes.find(({ op }) => op === "Conv")?.inputs[1]?.constant;
    expect(filters?.shape).toEqual([16, 3, 3, 3]);
    // [o, c, h, w] of the .onnx at [o, h, w, c].
    expect(filters?.data?.[((5 * 3 + 2) * 3 + 1) * 3 + 0]).toBe(source?.data[((5 * 3 + 0) * 3 + 2) * 3 + 1]);
    expect(model.tensors[depthwise?.inputs[1] ?? -1]?.shape).toEqual([1, 3, 3, 16]);
  });
});

/** Reads FlatBuffers by field numbers, with 0 for what is left out. */
function reader(file: Uint8Array) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const field = (at: number, index: number): number => {
    const vtable = at - view.getInt32(at, true);
    const slot = 4 + 2 * index;
    const offset = slot < view.getUint16(vtable, true) ? view.getUint16(vtable + slot, true) : 0;
    return offset === 0 ? 0 : at + offset;
  };
  const follow = (at: number): number => at + view.getUint32(at, true);
  const vector = <T>(at: number, index: number, size: number, read: (at: number) => T): T[] => {
    const start = field(at, index);
    if (start === 0) return [];
    const begin = follow(start);
    return Array.from({ length: view.getUint32(begin, true) }, (_, i) => read(begin + 4 + i * size));
  };
  return {
    root: follow(0),
    identifier: String.fromCharCode(...file.subarray(4, 8)),
    table: (at: number) => ({
      byte: (index: number) => (field(at, index) === 0 ? 0 : view.getInt8(field(at, index))),
      int: (index: number) => (field(at, index) === 0 ? 0 : view.getInt32(field(at, index), true)),
      offset: (index: number) => follow(field(at, index)),
    }),
    tables: (at: number, index: number) => vector(at, index, 4, follow),
    scalars: (at: number, index: number) => vector(at, index, 4, (from) => view.getInt32(from, true)),
    floats: (at: number, index: number) => vector(at, index, 4, (from) => view.getFloat32(from, true)),
    longs: (at: number, index: number) => vector(at, index, 8, (from) => view.getBigInt64(from, true)),
    bytes: (at: number, index: number) => vector(at, index, 1, (from) => view.getUint8(from)),
  };
}
