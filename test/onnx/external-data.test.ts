/** Node's resolver of external data against the ways in which models have been made to read other files (see also test/cli/external-data.test.ts). */

import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { externalDataBeside } from "../../compiler/cli/external-data.ts";
import { CompileError } from "../../compiler/errors.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { model, node, value } from "../support/onnx-model.ts";

let root = "";
let modelPath = "";
const weights = Float32Array.of(1, 2, 3, 4);

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "eqm-external-"));
  mkdirSync(join(root, "model"), { recursive: true });
  mkdirSync(join(root, "outside"));
  modelPath = join(root, "model/model.onnx");
  const bytes = new Uint8Array(weights.buffer);
  writeFileSync(join(root, "model/w.bin"), bytes);
  writeFileSync(join(root, "outside/secret.bin"), bytes);
});

afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

function problem(location: string): string {
  try {
    externalDataBeside(modelPath)(location, 0, undefined);
  } catch (error) {
    if (error instanceof CompileError && error.code === "external-data") return error.message;
    throw error;
  }
  throw new Error("it was read");
}

describe("external data beside the model", () => {
  it("gives a model its weights", () => {
    const initializers = [
      {
        name: "w",
        dims: [2],
        dataType: 1,
        dataLocation: 1,
        externalData: [
          { key: "location", value: "w.bin" },
          { key: "offset", value: "8" },
          { key: "length", value: "8" },
        ],
      },
    ];
    const bytes = model({ nodes: [node("Add", ["x", "w"], ["y"])], inputs: [value("x", [2])], initializers });
    const { graph } = importModel(bytes, { externalData: externalDataBeside(modelPath), supports: () => true });
    expect([...graph.nodes[0]!.inputs[1]!.constant!.data]).toEqual([3, 4]);
  });
});

describe("other files are never read", () => {
  it("by an absolute path (CVE-2022-25882, directory traversal)", () => {
    expect(problem(join(root, "outside/secret.bin"))).toContain("which is an absolute path");
  });

  it.each(["../outside/secret.bin", "sub/../../outside/secret.bin", "./../outside/secret.bin"])(
    "by %s (CVE-2022-25882, CVE-2024-27318)",
    (location) => {
      expect(problem(location)).toContain("which lies outside of the model's folder");
    },
  );

  it("by a path with backslashes, which Windows takes for folders (CVE-2024-27318)", () => {
    expect(problem("..\\outside\\secret.bin")).toContain("whose name has a backslash");
  });

  it("by a name cut off at a NUL", () => {
    expect(problem("w.bin\0.txt")).toContain("whose name has control characters");
  });

  it("through a symbolic link to a file (CVE-2026-27489)", () => {
    symlinkSync(join(root, "outside/secret.bin"), join(root, "model/link.bin"));
    expect(problem("link.bin")).toContain("which is reached through a symbolic link");
  });

  it("through a symbolic link to a folder, as an extracted archive may bring (CVE-2024-5187)", () => {
    symlinkSync(join(root, "outside"), join(root, "model/folder"));
    expect(problem("folder/secret.bin")).toContain("which is reached through a symbolic link");
  });

  it("through a hard link", () => {
    linkSync(join(root, "outside/secret.bin"), join(root, "model/hard.bin"));
    expect(problem("hard.bin")).toContain("which has several names (hard links)");
  });

  it.skipIf(process.platform === "win32")("that are pipes, which would wait for ever", () => {
    execFileSync("mkfifo", [join(root, "model/pipe")]);
    expect(problem("pipe")).toContain("which is not a regular file");
  });
});
