/** From a planned program to the bytes of its file: constants coded, a golden vector added, sections written. */
import type { GoldenRange } from "../../host/golden.ts";
import type { Program } from "../../host/program.ts";
import type { Scanner } from "../../host/scanner.ts";
import { type Coder, compressConstants } from "./compress.ts";
import { emitFile } from "./emit.ts";
import { addGolden } from "./golden.ts";

/** A file, and what it was made from. */
export interface Finished {
  readonly program: Program;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly warnings: readonly string[];
}

/** Finishes `program`. `rangeOf` gives the calibrated range of a float32 input, or null. */
export function finishFile(
  program: Program,
  module: WebAssembly.Module,
  scanner: Scanner,
  coder: Coder,
  rangeOf: (name: string) => GoldenRange | null,
): Finished {
  const withGolden = addGolden(compressConstants(program, coder), module, scanner, rangeOf);
  return { ...withGolden, bytes: emitFile(withGolden.program, scanner) };
}
