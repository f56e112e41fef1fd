import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import { allLayouts } from "../../host/layouts.ts";
import { TABLES, withTables } from "../support/format-tables.ts";
import { stepModules } from "../support/step-modules.ts";

const document = new URL("../../docs/format.md", import.meta.url);

it("docs/format.md has the tables that format/ makes", () => {
  const text = readFileSync(document, "utf8");
  const fresh = withTables(text);
  if (process.env["UPDATE"] === "1") writeFileSync(document, fresh);
  else expect(text).toBe(fresh);
  for (const name of Object.keys(TABLES)) expect(fresh).toContain(`<!-- table ${name} -->`);
});

it("every opcode has one layout, the one of its file", () => {
  const modules = stepModules();
  expect([...allLayouts()].map(([opcode, { name, words }]) => ({ opcode, name, words }))).toEqual(
    modules.map(({ opcode, name, fields }) => ({ opcode, name, words: fields.length + 2 })),
  );
  expect(modules.map(({ name }) => name)).toEqual(
    Object.keys(Opcode).sort((a, b) => (Opcode as Record<string, number>)[a]! - (Opcode as Record<string, number>)[b]!),
  );
  expect(new Set(modules.map(({ opcode }) => opcode)).size).toBe(modules.length);
});
