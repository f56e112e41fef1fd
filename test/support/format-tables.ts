/** The tables of docs/format.md, made from format/: each stands between `<!-- table NAME -->` and `<!-- end -->`. */
import { constantsOf, headerComment, type NamedValue, stepModules } from "./step-modules.ts";

/** `text` with every marked table made anew. Throws where a marker names no table. */
export function withTables(text: string): string {
  return text.replace(/(<!-- table ([\w-]+) -->\n).*?(<!-- end -->)/gs, (_all, start: string, name: string, end: string) => {
    const table = TABLES[name];
    if (!table) throw new Error(`docs/format.md asks for a table ${name}, which there is not`);
    return `${start}\n${table()}\n\n${end}`;
  });
}

/** Every table by name. */
export const TABLES: Readonly<Record<string, () => string>> = {
  header: () =>
    rows(
      ["byte", "word"],
      fileConstants("HEADER_")
        .filter(({ name }) => !/WORDS|BYTES$/.test(name) || /FILE_BYTES|MEMORY_BYTES|THREAD_BYTES/.test(name))
        .map(({ name, value }) => [String(value * 4), name]),
    ),
  "section-row": () =>
    rows(
      ["byte", "word"],
      fileConstants("SECTION_")
        .filter(({ name }) => !/WORDS|BYTES|ALIGNMENT/.test(name))
        .map(({ name, value }) => [String(value * 4), name]),
    ),
  sections: () =>
    rows(
      ["kind", "section"],
      constantsOf("file.ts")
        .filter(({ name }) => !/^(HEADER|SECTION|MAX|VERSION|MAGIC)/.test(name))
        .map(pair),
    ),
  limits: () =>
    rows(
      ["name", "value"],
      [
        ...constantsOf("file.ts").filter(({ name }) =>
          /^(MAGIC|VERSION|HEADER_BYTES|SECTION_BYTES|SECTION_ALIGNMENT|MAX_SECTIONS)$/.test(name),
        ),
        ...constantsOf("memory.ts"),
      ].map(({ name, value }) => [name, name === "MAGIC" ? `0x${value.toString(16)}` : String(value)]),
    ),
  memory: () => block(headerComment("memory.ts")),
  plan: () => block(headerComment("plan.ts")),
  entropy: () => block(headerComment("entropy.ts")),
  nibbles: () => block(headerComment("nibbles.ts")),
  blocks: () => block(headerComment("blocks.ts")),
  groups: () => block(headerComment("groups.ts")),
  encodings: () => {
    const constants = constantsOf("packings.ts");
    const from = constants.findIndex(({ name }) => name === "RAW");
    const behind = constants.findIndex(({ name }) => name === "SCATTERED_HEAD_BYTES");
    return rows(["code", "encoding"], constants.slice(from, behind).map(pair));
  },
  packings: () => block(headerComment("packings.ts")),
  "packing-codes": () => {
    const constants = constantsOf("packings.ts");
    return rows(
      ["code", "packing"],
      constants
        .slice(
          0,
          constants.findIndex(({ name }) => name === "PACKING"),
        )
        .filter(({ name }) => !/_(LIMIT|BYTES|COLUMNS)$/.test(name))
        .map(pair),
    );
  },
  "constants-row": () => {
    const constants = constantsOf("packings.ts");
    const from = constants.findIndex(({ name }) => name === "PACKING");
    return rows(
      ["word", "field"],
      constants
        .slice(
          from,
          constants.findIndex(({ name }) => name === "ROW_WORDS"),
        )
        .map(pair),
    );
  },
  dtypes: () => rows(["code", "type"], constantsOf("dtypes.ts").map(pair)),
  status: () => rows(["code", "status"], constantsOf("status.ts").map(pair)),
  opcodes: () =>
    rows(
      ["opcode", "step", "words"],
      stepModules().map(({ name, opcode, fields }) => [String(opcode), `[${name}](#${name.toLowerCase()})`, String(fields.length + 2)]),
    ),
  steps: () =>
    stepModules()
      .map(({ name, opcode, fields, values, comment }) => {
        const text = comment.replace(new RegExp(`^${name}:? ?`), "");
        const named = values.length === 0 ? "" : `\n\n${values.map((value) => `\`${value.name}\` = ${value.value}`).join(" · ")}`;
        const words = fields.map((field, i) => `${i + 2} ${field}`).join(" · ");
        return `### ${name}\n\nOpcode ${opcode}, ${fields.length + 2} words: 0 OPCODE · 1 LENGTH · ${words}${named}\n\n${block(text)}`;
      })
      .join("\n\n"),
};

function fileConstants(prefix: string): NamedValue[] {
  return constantsOf("file.ts").filter(({ name }) => name.startsWith(prefix));
}

function pair({ name, value }: NamedValue): [string, string] {
  return [String(value), name];
}

function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function block(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}
