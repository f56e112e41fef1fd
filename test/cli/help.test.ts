/** docs/cli.md shows the help texts as they are. `UPDATE=1` writes them into the page. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createProgram } from "../../compiler/cli/program.ts";

const page = new URL("../../docs/cli.md", import.meta.url);

function helpOf(name: string): string {
  const program = createProgram();
  let text = "";
  const collect = { writeOut: (part: string) => void (text += part), getOutHelpWidth: () => 110 };
  const target = name === "" ? program : program.commands.find((command) => command.name() === name);
  target?.configureOutput(collect).outputHelp();
  return text.trim();
}

it("docs/cli.md holds the help of every command", () => {
  const old = readFileSync(page, "utf8");
  const shown: string[] = [];
  const now = old.replace(/```text\n\$ eqm (?:(\w+) )?--help\n[^`]*```/g, (_, name: string | undefined) => {
    shown.push(name ?? "");
    return `\`\`\`text\n$ eqm ${name === undefined ? "" : `${name} `}--help\n${helpOf(name ?? "")}\n\`\`\``;
  });
  if (process.env["UPDATE"] === "1") writeFileSync(page, now);
  else expect(old).toBe(now);
  const commands = createProgram().commands.map((command) => command.name());
  expect([...shown].sort()).toEqual(["", ...commands].sort());
  expect(helpOf("compile")).toContain("--calibrate");
});

it("says the version of the package", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string };
  expect(createProgram().version()).toBe(version);
});
