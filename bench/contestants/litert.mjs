/** LiteRT.js, which runs in a page only: what the page is given. litert.page.mjs runs there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { ROOT } from "../models.mjs";

const PACKAGE = new URL("../node_modules/@litertjs/core/", import.meta.url);
const BUNDLE = join(ROOT, "build/bench/litert.js");
const MODULE = fileURLToPath(new URL("wasm/litert_wasm_internal.js", PACKAGE));

/** URLs of the files that litert.page.mjs takes, models apart. */
export async function pageFiles() {
  await bundle();
  return { bundle: pathToFileURL(BUNDLE).href, wasm: pathToFileURL(MODULE).href };
}

// A page cannot resolve the package's imports.
async function bundle() {
  await build({
    entryPoints: [fileURLToPath(new URL("dist/index.js", PACKAGE))],
    outfile: BUNDLE,
    bundle: true,
    format: "esm",
    minify: true,
    logLevel: "warning",
    plugins: [{ name: "int8", setup: ({ onLoad }) => onLoad({ filter: /core\/dist\/index\.js$/ }, withInt8) }],
  });
}

// The WebAssembly takes int8 tensors; the package's table of array types leaves them out, and so it refuses most int8 models.
function withInt8({ path }) {
  const before = "var DATATYPES = Object.freeze([";
  const source = readFileSync(path, "utf8");
  if (!source.includes(before)) throw new Error("@litertjs/core: its table of types is not where it was");
  return {
    contents: source.replace(before, `${before}{ dtype: "int8", typedArrayConstructor: Int8Array, elementType: ElementType.INT8 },`),
  };
}

export function version() {
  return JSON.parse(readFileSync(new URL("package.json", PACKAGE), "utf8")).version;
}

/** The smallest set that runs in a page: the package as a page bundles it, the loader and the module. */
export async function downloads() {
  await bundle();
  return [BUNDLE, MODULE, MODULE.replace(/\.js$/, ".wasm")];
}
