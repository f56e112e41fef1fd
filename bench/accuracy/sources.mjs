/** The command line's own readers of data and images, bundled from its sources, so that what is measured here sees the same inputs. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { ROOT } from "./models.mjs";

// A file of its own for each process: two may measure at a time.
const outfile = join(ROOT, `build/accuracy/sources.${process.pid}.mjs`);
await build({
  absWorkingDir: ROOT,
  stdin: {
    resolveDir: ROOT,
    contents: `
      export { openDataset } from "./compiler/cli/data/dataset.ts";
      export { decodeImage } from "./compiler/cli/image/image.ts";
      export { createFeeder } from "./compiler/cli/data/feeds.ts";
      export { decodeNpy, encodeNpy } from "./compiler/cli/data/npy.ts";
      export { encodeNpz } from "./compiler/cli/data/npz.ts";`,
  },
  bundle: true,
  format: "esm",
  platform: "node",
  outfile,
  logLevel: "warning",
});

/** `{ openDataset, createFeeder, decodeImage, decodeNpy, encodeNpy, encodeNpz }` */
export const sources = await import(pathToFileURL(outfile).href).finally(() => rmSync(outfile));
