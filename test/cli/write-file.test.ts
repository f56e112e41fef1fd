import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkOutput, writeFileWhole } from "../../compiler/cli/output/write-file.ts";

let folder: string;
const path = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "eqm-write-"));
});

afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

describe("writing a file whole", () => {
  it("leaves the file and nothing else", () => {
    writeFileWhole(path("a"), Uint8Array.of(1, 2), false);
    writeFileWhole(path("b"), "text", true);
    expect([...readFileSync(path("a"))]).toEqual([1, 2]);
    expect(readFileSync(path("b"), "utf8")).toBe("text");
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  it("leaves an existing file alone unless forced, also one that appeared meanwhile", () => {
    writeFileSync(path("a"), "old");
    expect(() => writeFileWhole(path("a"), "new", false)).toThrow(`${path("a")}: it exists already. Pass --force to replace it.`);
    expect(readFileSync(path("a"), "utf8")).toBe("old");
    writeFileWhole(path("a"), "new", true);
    expect(readFileSync(path("a"), "utf8")).toBe("new");
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  it("keeps the permissions of what it replaces, and writes behind a symbolic link", () => {
    writeFileSync(path("a"), "old");
    chmodSync(path("a"), 0o640);
    symlinkSync("a", path("link"));
    writeFileWhole(path("link"), "new", true);
    expect(readFileSync(path("a"), "utf8")).toBe("new");
    expect(statSync(path("a")).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder).sort()).toEqual(["a", "link"]);
  });

  it("leaves nothing behind where the disk is full", (context) => {
    if (!existsSync("/dev/full")) context.skip("no /dev/full here");
    mkdirSync(path("d"));
    expect(() => writeFileWhole(path("missing/a"), "new", false)).toThrow(
      /missing\/a: cannot be written: no such file\. Nothing was changed\.$/,
    );
    expect(readdirSync(folder)).toEqual(["d"]);
  });
});

describe("checking an output before any work", () => {
  it.each([
    ["an existing file", () => writeFileSync(path("a"), ""), "a", "it exists already. Pass --force to replace it."],
    ["a dangling link", () => symlinkSync("nowhere", path("a")), "a", "it exists already. Pass --force to replace it."],
    ["a folder", () => mkdirSync(path("a")), "a", "it is a folder; name a file."],
    ["a missing folder", () => {}, "x/a", "the folder"],
    ["a file as folder", () => writeFileSync(path("x"), ""), "x/a", ""],
  ])("refuses %s", (_, prepare, name, message) => {
    prepare();
    expect(() => checkOutput(path(name), false)).toThrow(
      expect.objectContaining({ fault: "usage", message: expect.stringContaining(`${path(name)}: ${message}`) }),
    );
  });

  it("refuses devices even when forced", () => {
    expect(() => checkOutput("/dev/null", true)).toThrow("/dev/null: it is not a regular file and is not replaced.");
  });

  it("refuses to replace an input, whatever name it goes by", () => {
    writeFileSync(path("model.onnx"), "");
    linkSync(path("model.onnx"), path("hard"));
    symlinkSync("model.onnx", path("soft"));
    for (const name of ["model.onnx", "hard", "soft"]) {
      expect(() => checkOutput(path(name), true, [path("model.onnx")])).toThrow(
        `${path(name)}: the output would replace an input; give it another name.`,
      );
    }
  });

  it("refuses a folder without permission to write", (context) => {
    if (process.getuid?.() === 0) context.skip("root may write anywhere");
    chmodSync(folder, 0o500);
    expect(() => checkOutput(path("a"), false)).toThrow(
      expect.objectContaining({ fault: "input", message: `${path("a")}: cannot be written: permission denied. Nothing was changed.` }),
    );
  });
});
