/** Every encoding of a tensor, written with onnx-proto, and tensors that contradict themselves. */
import { describe, expect, it } from "vitest";
import { CompileError } from "../../compiler/errors.ts";
import { dataType, dataTypeCode } from "../../compiler/onnx/data-types.ts";
import { type ImportOptions, importModel } from "../../compiler/onnx/import.ts";
import type { Tensor } from "../../host/tensor.ts";
import { long, model, node, type TensorSpec, value } from "../support/onnx-model.ts";

/** Reads an initializer through a model whose only output it is. */
function read(spec: TensorSpec, options: ImportOptions = {}): Tensor {
  const { graph } = importModel(model({ nodes: [node("Identity", ["t"], ["y"])], inputs: [], initializers: [{ name: "t", ...spec }] }), {
    supports: () => true,
    ...options,
  });
  return graph.nodes[0]!.inputs[0]!.constant!;
}

function fault(spec: TensorSpec, options: ImportOptions = {}): CompileError {
  try {
    read(spec, options);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const code = dataTypeCode;
const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe("typed fields", () => {
  it.each<[string, TensorSpec, Tensor["dtype"], readonly (number | bigint)[]]>([
    ["FLOAT", { floatData: [1.5, -2, 0.25, 3] }, "float32", [1.5, -2, 0.25, 3]],
    ["DOUBLE", { doubleData: [1.5, -2, 1e300, 0.1] }, "float32", [1.5, -2, Number.POSITIVE_INFINITY, Math.fround(0.1)]],
    ["INT8", { int32Data: [-128, 127, -1, 0] }, "int8", [-128, 127, -1, 0]],
    ["UINT8", { int32Data: [0, 255, 1, 2] }, "uint8", [0, 255, 1, 2]],
    ["INT16", { int32Data: [-32768, 32767, 1, 2] }, "int32", [-32768, 32767, 1, 2]],
    ["UINT16", { int32Data: [0, 65535, 1, 2] }, "int32", [0, 65535, 1, 2]],
    ["INT32", { int32Data: [-(2 ** 31), 2 ** 31 - 1, -1, 0] }, "int32", [-(2 ** 31), 2 ** 31 - 1, -1, 0]],
    ["BOOL", { int32Data: [0, 1, 1, 0] }, "bool", [0, 1, 1, 0]],
    ["FLOAT16", { int32Data: [0x3c00, 0xc000, 0x0001, 0x7c00] }, "float32", [1, -2, 2 ** -24, Number.POSITIVE_INFINITY]],
    ["BFLOAT16", { int32Data: [0x3f80, 0xc000, 0x3f00, 0x7f80] }, "float32", [1, -2, 0.5, Number.POSITIVE_INFINITY]],
    ["UINT32", { uint64Data: [0, 2 ** 32 - 1, 1, 2] }, "int64", [0n, 2n ** 32n - 1n, 1n, 2n]],
    ["UINT64", { uint64Data: [0, long(2n ** 63n - 1n), 1, 2] }, "int64", [0n, 2n ** 63n - 1n, 1n, 2n]],
    [
      "INT64",
      { int64Data: [-1, long(2n ** 63n - 1n), long(-(2n ** 63n)), long(2n ** 53n + 1n)] },
      "int64",
      [-1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n],
    ],
  ])("%s", (name, spec, dtype, values) => {
    const tensor = read({ dims: [2, 2], dataType: code(name), ...spec });
    expect(tensor.dtype).toBe(dtype);
    expect(tensor.shape).toEqual([2, 2]);
    expect([...tensor.data]).toEqual(values);
  });
});

describe("raw data", () => {
  it.each<[string, ArrayBufferView, Tensor["dtype"], readonly (number | bigint)[]]>([
    ["FLOAT", Float32Array.of(1.5, -0), "float32", [1.5, -0]],
    ["DOUBLE", Float64Array.of(1.5, 0.1), "float32", [1.5, Math.fround(0.1)]],
    ["INT8", Int8Array.of(-128, 127), "int8", [-128, 127]],
    ["UINT8", Uint8Array.of(0, 255), "uint8", [0, 255]],
    ["INT16", Int16Array.of(-32768, 3), "int32", [-32768, 3]],
    ["UINT16", Uint16Array.of(65535, 3), "int32", [65535, 3]],
    ["INT32", Int32Array.of(-5, 7), "int32", [-5, 7]],
    ["INT64", BigInt64Array.of(-5n, 2n ** 62n), "int64", [-5n, 2n ** 62n]],
    ["UINT32", Uint32Array.of(2 ** 32 - 1, 7), "int64", [2n ** 32n - 1n, 7n]],
    ["UINT64", BigUint64Array.of(5n, 7n), "int64", [5n, 7n]],
    ["BOOL", Uint8Array.of(0, 2), "bool", [0, 1]],
    ["FLOAT16", Uint16Array.of(0x3555, 0x8000), "float32", [0.333251953125, -0]],
    ["BFLOAT16", Uint16Array.of(0x3eab, 0xff80), "float32", [0.333984375, Number.NEGATIVE_INFINITY]],
  ])("%s", (name, array, dtype, values) => {
    const tensor = read({ dims: [2], dataType: code(name), rawData: bytesOf(array) });
    expect(tensor.dtype).toBe(dtype);
    expect([...tensor.data]).toEqual(values);
  });

  it("reads a scalar, and tensors without elements", () => {
    expect(read({ dims: [], dataType: 1, floatData: [7] })).toEqual({ dtype: "float32", shape: [], data: Float32Array.of(7) });
    expect(read({ dims: [2, 0], dataType: 7 })).toEqual({ dtype: "int64", shape: [2, 0], data: new BigInt64Array(0) });
    expect(read({ dims: [0], dataType: 1, rawData: new Uint8Array(0) }).data.length).toBe(0);
  });
});

describe("float16", () => {
  it("is widened exactly, for all 65,536 of them", () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const { data } = read({ dims: [65536], dataType: code("FLOAT16"), rawData: bytesOf(halves) });
    const wrong: number[] = [];
    for (let half = 0; half < 65536; half++) {
      const exponent = (half >> 10) & 31;
      const fraction = (half & 1023) / 1024;
      const size =
        exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : exponent
            ? (1 + fraction) * 2 ** (exponent - 15)
            : fraction * 2 ** -14;
      if (!Object.is(data[half], half & 0x8000 ? -size : size)) wrong.push(half);
    }
    expect(wrong).toEqual([]);
  });
});

describe("elements of four bits", () => {
  it.each<[string, Tensor["dtype"], readonly number[]]>([
    ["INT4", "int8", [-8, 7, -1, 0, 3]],
    ["UINT4", "uint8", [8, 7, 15, 0, 3]],
  ])("of type %s stand two to a byte, raw, typed and external", (name, dtype, values) => {
    const bytes = [0x78, 0x0f, 0x03];
    const spec = { dims: [5], dataType: code(name) };
    const external = [
      { key: "location", value: "w.bin" },
      { key: "length", value: "3" },
    ];
    const found = [
      read({ ...spec, rawData: Uint8Array.from(bytes) }),
      read({ ...spec, int32Data: bytes }),
      read({ ...spec, dataLocation: 1, externalData: external }, { externalData: () => Uint8Array.from(bytes) }),
    ];
    for (const tensor of found) {
      expect([tensor.dtype, tensor.shape]).toEqual([dtype, [5]]);
      expect([...tensor.data].map(Number)).toEqual(values);
    }
    expect(read({ ...spec, dims: [0] }).data).toHaveLength(0);
  });

  it("are refused where their bytes are too few, too many or none", () => {
    const spec = { dims: [5], dataType: code("INT4") };
    expect(fault({ ...spec, rawData: Uint8Array.of(1, 2) }).message).toContain('The tensor "t" has 2 bytes where its shape takes 3');
    expect(fault({ ...spec, rawData: Uint8Array.of(1, 2, 3, 4) }).message).toContain("has 4 bytes where its shape takes 3");
    expect(fault({ ...spec, int32Data: [1, 2] }).message).toContain("has 2 elements where its shape takes 3");
    expect(fault({ ...spec, int32Data: [1, 2, 256] }).message).toContain("has the value 256, which is no byte");
  });

  it("do not decide what a node rounds to", () => {
    const bytes = model({
      nodes: [node("QuantizeLinear", ["x", "s", "z"], ["y"])],
      inputs: [value("x", [2])],
      initializers: [
        { name: "s", dims: [], dataType: 1, floatData: [1] },
        { name: "z", dims: [], dataType: code("INT4"), rawData: Uint8Array.of(0) },
      ],
    });
    expect(() => importModel(bytes, { supports: () => true })).toThrow('its input "z" is INT4, whose range eqm does not keep to');
  });
});

describe("types that eqm does not compute with", () => {
  const refused = Array.from({ length: 26 }, (_, i) => dataType(i + 1)!).filter(({ dtype }) => dtype === null);
  const inInitializers = refused.filter(({ name }) => name !== "INT4" && name !== "UINT4");

  it("are all named", () => {
    expect(refused.map(({ name }) => name).join(" ")).toBe(
      "STRING COMPLEX64 COMPLEX128 FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ UINT4 INT4 FLOAT4E2M1 FLOAT8E8M0 UINT2 INT2",
    );
  });

  it.each(inInitializers)("$name is refused where something uses it, by name and node", ({ name }) => {
    const error = fault({ dims: [2], dataType: code(name), rawData: Uint8Array.of(1) });
    expect(error.code).toBe("unsupported");
    expect(error.details["unsupported"]).toEqual([
      { node: "Identity_0", op: "Identity", reason: `its input "t" is ${name}, which eqm does not compute with` },
    ]);
  });

  it.each(["INT4", "UINT4"])("%s is an element type of initializers, not of inputs", (name) => {
    const bytes = model({
      nodes: [node("Identity", ["x"], ["y"])],
      inputs: [{ name: "x", type: { tensorType: { elemType: code(name), shape: {} } } }],
    });
    expect(() => importModel(bytes, { supports: () => true })).toThrow(`it is ${name}, which eqm does not compute with`);
  });

  it("do no harm where nothing uses them", () => {
    const bytes = model({ initializers: [{ name: "t", dims: [3], dataType: code("INT2"), rawData: Uint8Array.of(1, 2) }] });
    expect(importModel(bytes, { supports: () => true }).graph.nodes).toHaveLength(1);
  });
});

describe("a tensor that contradicts itself is refused", () => {
  it.each<[string, TensorSpec, string]>([
    ["too few raw bytes", { dims: [2], dataType: 1, rawData: new Uint8Array(7) }, 'The tensor "t" has 7 bytes where its shape takes 8'],
    ["too many raw bytes", { dims: [1], dataType: 1, rawData: new Uint8Array(8) }, 'The tensor "t" has 8 bytes where its shape takes 4'],
    ["too few elements", { dims: [3], dataType: 7, int64Data: [1, 2] }, 'The tensor "t" has 2 elements where its shape takes 3'],
    ["too many elements", { dims: [1], dataType: 1, floatData: [1, 2] }, 'The tensor "t" has 2 elements where its shape takes 1'],
    ["no data at all", { dims: [2], dataType: 1 }, 'The tensor "t" has 0 elements where its shape takes 2'],
    [
      "data in the field of another type",
      { dims: [2], dataType: 1, int64Data: [1, 2] },
      'The tensor "t" has 0 elements where its shape takes 2',
    ],
    ["a negative dimension", { dims: [-2], dataType: 1, floatData: [1, 2] }, 'The tensor "t" has a dimension of -2'],
    [
      "a huge shape",
      { dims: [2 ** 20, 2 ** 20, 2 ** 20], dataType: 1, floatData: [1] },
      'The tensor "t" has the shape [1048576, 1048576, 1048576], more elements than a file can hold',
    ],
    [
      "a huge shape with few bytes",
      { dims: [2 ** 30], dataType: 2, rawData: new Uint8Array(4) },
      'The tensor "t" has 4 bytes where its shape takes 1073741824',
    ],
    [
      "a huge shape with few elements",
      { dims: [2 ** 30], dataType: 7, int64Data: [4] },
      'The tensor "t" has 1 elements where its shape takes 1073741824',
    ],
    ["an int8 out of range", { dims: [1], dataType: 3, int32Data: [128] }, 'The tensor "t" has the value 128, which is no INT8'],
    [
      "a uint64 beyond int64",
      { dims: [1], dataType: 13, uint64Data: [long(2n ** 63n)] },
      'The tensor "t" has the value 9223372036854775808, beyond what an int64 holds',
    ],
    ["an unknown type", { dims: [1], dataType: 99, rawData: new Uint8Array(1) }, 'The tensor "t" has the unknown element type 99'],
    [
      "segments",
      { dims: [1], dataType: 1, floatData: [1], segment: { begin: 0, end: 1 } },
      'The tensor "t" is stored in segments, which ONNX has dropped',
    ],
  ])("%s", (_, spec, message) => {
    const error = fault(spec);
    expect(error.code).toBe("bad-tensor");
    expect(error.message.startsWith(message)).toBe(true);
  });
});

describe("external data", () => {
  const external = (entries: Readonly<Record<string, string>>, dims = [2]): TensorSpec => ({
    dims,
    dataType: 1,
    dataLocation: 1,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
  const data = bytesOf(Float32Array.of(9, 1, 2, 3));

  it("is asked for by location, offset and length, and only when used", () => {
    const calls: unknown[] = [];
    const externalData = (location: string, offset: number, length: number | undefined): Uint8Array => {
      calls.push([location, offset, length]);
      return data.subarray(offset, offset + length!);
    };
    expect([...read(external({ location: "w/a.bin", offset: "4", length: "8", checksum: "x" }), { externalData }).data]).toEqual([1, 2]);
    expect([...read(external({ location: "a.bin" }), { externalData }).data]).toEqual([9, 1]);
    expect(calls).toEqual([
      ["w/a.bin", 4, 8],
      ["a.bin", 0, 8],
    ]);
    importModel(model({ initializers: [{ name: "unused", ...external({ location: "a.bin" }) }] }), { supports: () => true, externalData });
    expect(calls).toHaveLength(2);
  });

  it("is described by its own keys alone (CVE-2026-34445)", () => {
    const entries = { __proto__x: "1", constructor: "2", prototype: "3", file_offset: "999999999999", location: "a.bin" };
    expect([...read(external(entries), { externalData: (_, offset, length) => data.subarray(offset, offset + length!) }).data]).toEqual([
      9, 1,
    ]);
  });

  it("may come in a Buffer that begins anywhere, and is copied", () => {
    const file = Buffer.alloc(16);
    file.writeFloatLE(2.5, 3);
    file.writeFloatLE(-1, 7);
    const { data } = read(external({ location: "a.bin" }), {
      externalData: (_, offset, length) => file.subarray(3 + offset, 3 + offset + length!),
    });
    file.fill(0);
    expect([...data]).toEqual([2.5, -1]);
  });

  it.each([
    ["no resolver", { location: "a.bin" }, "and no way to read it was given. Keep it beside the model, or pass `externalData`."],
    ["a wrong length", { location: "a.bin", length: "4" }, '4 bytes of it for the tensor "t", whose shape takes 8.'],
    ["a length that is no number", { location: "a.bin", length: "0x8" }, 'at an offset or with a length that is no number (tensor "t").'],
    ["a negative offset", { location: "a.bin", offset: "-4" }, 'at an offset or with a length that is no number (tensor "t").'],
  ])("is refused with %s", (_, entries, problem) => {
    const error = fault(external(entries));
    expect(error.code).toBe("external-data");
    expect(error.message).toBe(`The model keeps weights in the file "a.bin", ${problem}`);
  });

  it.each([
    "",
    "/etc/passwd",
    "\\\\server\\x",
    "C:\\x",
    "c:/x",
    "../x",
    "a/../../x",
    "a\\..\\x",
    "file:///x",
    "a\0b",
    ".",
    "*/_ORT_MEM_ADDR_/*",
  ])("is never asked for at %j", (location) => {
    let asked = 0;
    const error = fault(external({ location }), {
      externalData: () => {
        asked++;
        return data;
      },
    });
    expect(error.code).toBe("external-data");
    expect(asked).toBe(0);
  });

  it("is refused where the resolver gives another number of bytes", () => {
    const error = fault(external({ location: "a.bin" }), { externalData: () => new Uint8Array(3) });
    expect(error.message).toContain("which gave 3 bytes instead of 8 at 0");
  });
});
