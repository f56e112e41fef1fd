/**
 * Puts the functions that every load runs in parentheses, in the text of a bundle: engines take that for a function that is called at once,
 * and compile it together with the module. Any other function they only skim then, and go over once more at its first call; for the hundred
 * functions of a load, each of which runs once or a few times, that takes longer than running them.
 */

/** Sources whose functions run in every load, errors and rare forms apart. */
const SOURCES = new Set([
  "host/load.ts",
  "host/source.ts",
  "host/base64.ts",
  "host/builds.ts",
  "host/runtime.ts",
  "host/scanner.ts",
  "host/reader.ts",
  "host/varint.ts",
  "host/coding.ts",
  "host/utf8.ts",
  "host/json.ts",
  "host/metadata.ts",
  "host/preprocess-spec.ts",
  "host/golden.ts",
  "host/layouts.ts",
  "host/verify.ts",
  "host/indices.ts",
  "host/program.ts",
  "host/memory-layout.ts",
  "host/pack-constants.ts",
  "host/tensor.ts",
  "host/description.ts",
  "host/instance.ts",
  "host/model.ts",
  "host/slots.ts",
  "host/transfer.ts",
  "format/dtypes.ts",
  "format/entropy.ts",
  "format/extents.ts",
  "format/memory.ts",
  "format/packings.ts",
  "format/steps/conv-i8.ts",
  "format/steps/depthwise-i8.ts",
  "format/steps/pool.ts",
  "format/steps/quantize.ts",
]);

/**
 * `bundle` is what esbuild makes of several modules without minifying: it names the source of what follows in a comment, and declarations begin and end
 * at the start of a line. The functions move to the front, since a variable has no value before its line.
 */
export function compileEagerly(bundle) {
  const missing = new Set(SOURCES);
  const eager = [];
  const rest = bundle.split(/^(?=\/\/ \S+\.ts$)/m).map((module) => {
    const [, source] = /^\/\/ (\S+)/.exec(module) ?? [];
    if (!SOURCES.has(source)) return module;
    missing.delete(source);
    return module.replace(/^(?:async )?function (\w+)\([\s\S]*?^\}$/gm, (declaration, name) => {
      eager.push(`var ${name} = (${declaration});\n`);
      return "";
    });
  });
  if (missing.size > 0) throw new Error(`a bundle that runs models lacks ${[...missing].join(", ")}`);
  return [...eager, ...rest].join("");
}
