/** Any bytes end in a model or in a CompileError, quickly and with little memory. */
import { describe, expect, it } from "vitest";
import { CompileError } from "../../compiler/errors.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { refuseStrangers } from "../../compiler/onnx/recognise.ts";
import { float, floatTensor, int, int64Tensor, ints, model, node, tensor, value } from "../support/onnx-model.ts";
import { sweep } from "../support/sweep.ts";

/** A model with every kind of field that import looks at. */
const small = model({
  opset: 11,
  nodes: [
    node("Constant", [], ["c"], { value: tensor(floatTensor("", [2], [1, 2])) }),
    node(
      "Conv",
      ["x", "w", "b"],
      ["a"],
      { kernel_shape: ints(1, 1), pads: ints(0, 0, 0, 0), auto_pad: { type: 3, s: new TextEncoder().encode("NOTSET") } },
      { name: "conv" },
    ),
    node("Clip", ["a", "", "hi"], ["d"]),
    node("Unsqueeze", ["c"], ["e"], { axes: ints(0, 2, 3) }),
    node("Mul", ["d", "e"], ["f"]),
    node("LeakyRelu", ["f"], ["g"], { alpha: float(0.25) }),
    node("Softmax", ["g"], ["h"], { axis: int(1) }),
    node("Reshape", ["h", "s"], ["y"]),
  ],
  inputs: [value("x", ["N", 3, 2, 2]), value("w", [2, 3, 1, 1])],
  initializers: [
    floatTensor("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]),
    { name: "b", dims: [2], dataType: 1, rawData: new Uint8Array(8) },
    floatTensor("hi", [], [6]),
    int64Tensor("s", [2], [1, -1]),
  ],
  more: { metadataProps: [{ key: "k", value: "v" }], docString: "doc" },
});

/** Reads, and where that succeeds writes and reads again; true where it is a model. */
function survives(bytes: Uint8Array): boolean {
  try {
    const { graph, metadata } = importModel(bytes);
    importModel(exportModel(graph, metadata));
    return true;
  } catch (error) {
    if (error instanceof CompileError) return false;
    throw error;
  }
}

/** Marsaglia's xorshift32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe("damaged models", () => {
  it("are read where they are whole", () => {
    expect(survives(small)).toBe(true);
  });

  it("end in an error at every truncation that cuts the graph", () => {
    let models = 0;
    for (let length = 0; length < small.length; length++) if (survives(small.subarray(0, length))) models++;
    // What is cut off behind the graph is the metadata, which may be absent.
    expect(models).toBeLessThan(3);
  });

  it("end in an error or a model at random bytes (seed 20240611)", () => {
    const next = random(20240611);
    const files = sweep(1000, 20_000);
    let models = 0;
    for (let i = 0; i < files; i++) {
      const bytes = small.slice();
      for (let flips = 1 + next(3); flips > 0; flips--) bytes[next(bytes.length)] = next(256);
      if (survives(bytes)) models++;
    }
    expect(models).toBeGreaterThan(files / 40);
    expect(models).toBeLessThan(0.975 * files);
  });

  it("end in an error or a model where pieces are moved (seed 7)", () => {
    const next = random(7);
    for (let i = 0; i < 500; i++) {
      const [from, to, length] = [next(small.length), next(small.length), next(40)];
      const bytes = small.slice();
      bytes.copyWithin(to, from, from + length);
      expect(typeof survives(bytes)).toBe("boolean");
    }
  });

  it("end in an error for noise (seed 99)", () => {
    const next = random(99);
    for (let i = 0; i < 500; i++) {
      const noise = Uint8Array.from({ length: next(300) }, () => next(256));
      expect(survives(noise)).toBe(false);
    }
  });
});

describe("other files are named", () => {
  const ascii = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));
  it.each([
    ["an empty file", "", "an empty file"],
    ["HTML", "<!DOCTYPE html><html>", "an HTML page"],
    ["HTML behind blanks", "\r\n  <html lang=en>", "an HTML page"],
    ["XML", '<?xml version="1.0"?>', "an HTML or XML text"],
    ["HTML behind a byte order mark", "\xef\xbb\xbf<!doctype html>", "an HTML page"],
    ["JSON", '{"error":"not found"}', "JSON"],
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"],
    ["TensorFlow Lite", "\x1c\0\0\0TFL3", "a TensorFlow Lite model"],
    ["ORT", "\x1c\0\0\0ORTM", "a model in ONNX Runtime's own .ort format"],
    ["a zip", "PK\x03\x04\x14", "a zip archive (or a PyTorch checkpoint, which is one)"],
    ["gzip", "\x1f\x8b\x08", "a gzip archive"],
    ["HDF5", "\x89HDF\r\n\x1a\n", "an HDF5 file (a Keras model)"],
    ["safetensors", '\x40\0\0\0\0\0\0\0{"a":1}', "a safetensors file"],
    ["a pickle", "\x80\x02}q", "a Python pickle"],
    ["a .eqm", "EQM1\x01\0\0\0", "a compiled .eqm"],
  ])("%s", (_, content, kind) => {
    expect(() => importModel(ascii(content))).toThrow(expect.objectContaining({ code: "not-onnx", details: { kind } }));
  });

  it("and a tensor in protobuf, or weights without their model, get a hint", () => {
    expect(() => importModel(Uint8Array.from([0x08, 1, 0x10, 1]))).toThrow(expect.objectContaining({ code: "malformed-onnx" }));
    const weights = new Uint8Array(Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)).buffer);
    expect(() => importModel(weights)).toThrow("If it is the file of weights that lies beside an .onnx, give the .onnx.");
  });

  it("and a model is none of them", () => {
    expect(refuseStrangers(small)).toBeUndefined();
  });
});
