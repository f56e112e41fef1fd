/** The protobuf reader and writer against an independent encoder, and against bytes that no encoder writes. */
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { CompileError } from "../../compiler/errors.ts";
import { readMessage, writeMessage } from "../../compiler/onnx/wire.ts";
import { decode, float, floats, int, ints, long, model, node, text, texts, value } from "../support/onnx-model.ts";

function fault(read: () => unknown): CompileError {
  try {
    read();
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** A length-delimited field. */
function field(id: number, payload: readonly number[]): number[] {
  return [...varint(id * 8 + 2), ...varint(payload.length), ...payload];
}

function varint(n: number): number[] {
  const bytes: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) bytes.push((n % 128) | 128);
  return [...bytes, n];
}

describe("the wire reader", () => {
  it("reads what the independent encoder writes", () => {
    const attributes = { a: int(-3), b: ints(1, -1, 2 ** 40), c: float(0.5), d: floats(1.5, -2), e: text("é"), f: texts("p", "q") };
    const message = readMessage(
      "ModelProto",
      model({ nodes: [node("Op", ["x", ""], ["y"], attributes, { name: "n", domain: "d" })], inputs: [value("x", [1, "N", ""])] }),
    );
    expect(message.irVersion).toBe(8);
    const [first] = message.graph!.node;
    expect([first!.opType, first!.name, first!.domain, first!.input, first!.output]).toEqual(["Op", "n", "d", ["x", ""], ["y"]]);
    expect(first!.attribute.map(({ name, type, i, ints, f, floats }) => ({ name, type, i, ints, f, floats })).slice(0, 4)).toEqual([
      { name: "a", type: 2, i: -3, ints: [], f: undefined, floats: [] },
      { name: "b", type: 7, i: undefined, ints: [1, -1, 2 ** 40], f: undefined, floats: [] },
      { name: "c", type: 1, i: undefined, ints: [], f: 0.5, floats: [] },
      { name: "d", type: 6, i: undefined, ints: [], f: undefined, floats: [1.5, -2] },
    ]);
    const dims = message.graph!.input[0]!.type!.tensorType!.shape!.dim;
    expect(dims.map(({ dimValue, dimParam }) => dimValue ?? dimParam)).toEqual([1, "N", undefined]);
  });

  it.each([0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)])(
    "keeps the int64 %s exact",
    (exact) => {
      const bytes = model({ nodes: [node("Op", [], ["y"], { a: { type: 2, i: long(exact) } })] });
      const i = readMessage("ModelProto", bytes).graph!.node[0]!.attribute[0]!.i!;
      expect(BigInt(i)).toBe(exact);
      const again = writeMessage("AttributeProto", { name: "a", i });
      expect(BigInt(readMessage("AttributeProto", again).i!)).toBe(exact);
    },
  );

  it("reads repeated numbers packed and unpacked, in several runs", () => {
    const packed = Uint8Array.from([...field(8, [1, 2]), ...field(8, [3])]);
    expect(readMessage("AttributeProto", packed).ints).toEqual([1, 2, 3]);
    expect(readMessage("AttributeProto", Uint8Array.from([0x40, 1, 0x40, 2])).ints).toEqual([1, 2]);
  });

  it("merges a message that is given in two pieces", () => {
    const name = field(2, [65]);
    const doc = field(10, [66]);
    const { graph } = readMessage("ModelProto", Uint8Array.from([...field(7, name), ...field(7, doc)]));
    expect([graph!.name, graph!.docString]).toEqual(["A", "B"]);
  });

  it("skips fields that it does not know", () => {
    const bytes = Uint8Array.from([...field(500, [1, 2, 3]), 0x80 | 0x08, 0x3f, 5, ...field(2, [65])]);
    expect(readMessage("ModelProto", bytes).producerName).toBe("A");
  });

  it("takes a prototype's name for an ordinary one", () => {
    const { graph } = readMessage("ModelProto", model({ nodes: [node("Op", [], ["y"], { __proto__: int(1), constructor: int(2) })] }));
    expect(graph!.node[0]!.attribute.map(({ name }) => name)).toContain("constructor");
    expect(({} as Record<string, unknown>)["i"]).toBeUndefined();
  });

  it.each([
    ["a field that reaches beyond its message", [...field(7, []).slice(0, 1), 5, 1], 1],
    ["a field cut off", [0x12], 1],
    ["the field number 0", [0x00, 0x00], 0],
    ["a group", [0x3b, 0x3c], 0],
    ["another wire type than the field's", [0x3d, 0, 0, 0, 0], 0],
    ["a varint without an end", [0x08, ...new Array(11).fill(0xff)], 11],
  ])("refuses %s and says where", (_, bytes, offset) => {
    const error = fault(() => readMessage("ModelProto", Uint8Array.from(bytes)));
    expect(error.code).toBe("malformed-onnx");
    expect(error.details["offset"]).toBe(offset);
  });

  it("refuses messages nested deeper than 100", () => {
    let bytes: number[] = [];
    for (let i = 0; i < 110; i++) bytes = field(4, field(1, bytes));
    const error = fault(() => readMessage("TypeProto", Uint8Array.from(bytes)));
    expect(error.code).toBe("too-large");
  });

  it("refuses more messages than it counts to, before it runs out of memory", () => {
    const count = 2_000_010;
    const nodes = new Uint8Array(count * 2);
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a;
    const error = fault(() => readMessage("GraphProto", nodes));
    expect(error.code).toBe("too-large");
  });

  it("does not hang on a subgraph in a subgraph in a subgraph", () => {
    let graph: number[] = field(2, [65]);
    for (let i = 0; i < 40; i++) graph = field(1, field(5, field(6, graph)));
    const error = fault(() => readMessage("ModelProto", Uint8Array.from(field(7, graph))));
    expect(error.code).toBe("too-large");
  });

  it("reads from a view into a larger buffer", () => {
    const bytes = model();
    const larger = new Uint8Array(bytes.length + 20).fill(0xff);
    larger.set(bytes, 7);
    expect(readMessage("ModelProto", larger.subarray(7, 7 + bytes.length))).toEqual(readMessage("ModelProto", bytes));
  });
});

describe("the wire writer", () => {
  it("writes what the independent decoder reads", () => {
    const bytes = writeMessage("ModelProto", {
      irVersion: 10,
      graph: { name: "é", node: [{ opType: "Op", input: ["a", ""], attribute: [{ name: "k", ints: [1, -1], type: 7 }] }] },
      opsetImport: [{ domain: "", version: 21 }],
    });
    const read = decode(bytes);
    expect(Number(read.irVersion)).toBe(10);
    expect(read.graph!.name).toBe("é");
    expect(read.graph!.node![0]!.input).toEqual(["a", ""]);
    expect(read.graph!.node![0]!.attribute![0]!.ints!.map(Number)).toEqual([1, -1]);
    expect(Number(read.opsetImport[0]!.version)).toBe(21);
  });
});

it("runs no generated code: the bundle of the reader has neither eval nor Function", async () => {
  const { outputFiles } = await build({
    entryPoints: ["compiler/onnx/wire.ts"],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    legalComments: "none",
    logLevel: "silent",
  });
  const code = outputFiles[0]!.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  expect(code.length).toBeGreaterThan(10_000);
  expect(code).not.toMatch(/\beval\s*\(|\bnew Function\b|[^.\w]Function\s*\(/);
});
