/** What an .onnx from elsewhere can make eqm read: files beside it, whole and under one name, and nothing else. */
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { externalDataBeside } from "../../compiler/cli/external-data.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "eqm-external-"));
  mkdirSync(at("model/sub"), { recursive: true });
  writeFileSync(at("secret"), "secret!!");
  writeFileSync(at("model/weights"), "01234567");
  writeFileSync(at("model/sub/more"), "abc");
  symlinkSync(at("secret"), at("model/soft"));
  symlinkSync(folder, at("model/up"));
  writeFileSync(at("model/twice"), "twice");
  linkSync(at("model/twice"), at("other-name"));
  symlinkSync("model", at("elsewhere"));
});

afterAll(() => rmSync(folder, { recursive: true }));

const read = (location: string, offset = 0, length?: number): string =>
  new TextDecoder().decode(externalDataBeside(at("model/m.onnx"))(location, offset, length));

describe("external data", () => {
  it("reads pieces of files beside the model and below", () => {
    expect(read("weights", 2, 3)).toBe("234");
    expect(read("./weights", 5)).toBe("567");
    expect(read("sub/more")).toBe("abc");
    expect(read("weights", 8, 0)).toBe("");
  });

  it("reads them where the model's own folder is reached through a link", () => {
    expect(new TextDecoder().decode(externalDataBeside(at("elsewhere/m.onnx"))("weights", 0, 2))).toBe("01");
  });

  it.each([
    ["a path that climbs", "../secret"],
    ["a path that climbs back", "sub/../../secret"],
    ["an absolute path", "/etc/hostname"],
    ["an address", "file:///etc/hostname"],
    ["a symbolic link", "soft"],
    ["a folder that is a symbolic link", "up/secret"],
    ["a hard link", "twice"],
    ["a folder", "sub"],
    ["a missing file", "nothing"],
    ["nothing", ""],
  ])("refuses %s", (_, location) => {
    expect(() => read(location)).toThrow(expect.objectContaining({ code: "external-data", fault: "input" }));
  });

  it.each([
    [4, 5],
    [9, undefined],
    [-1, 2],
    [0, -1],
  ])("refuses a range that the file has not: offset %s, length %s", (offset, length) => {
    expect(() => read("weights", offset, length)).toThrow(expect.objectContaining({ code: "external-data" }));
  });
});
