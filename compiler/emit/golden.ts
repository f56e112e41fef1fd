/** Adds a golden vector to a program: pseudo-random inputs in the calibrated ranges, run on the shipped runtime. */
import { type GoldenRange, rangeHolds, runGolden } from "../../host/golden.ts";
import { openProgram } from "../../host/inspection.ts";
import type { TensorRegion } from "../../host/metadata.ts";
import { joinPrograms, type Program, programsOf } from "../../host/program.ts";
import type { Scanner } from "../../host/scanner.ts";

/** What `addGolden` gives: the program, with a golden vector where one could be had. */
export interface WithGolden {
  readonly program: Program;
  readonly warnings: readonly string[];
}

/** Runs each plan of a program on golden inputs. `rangeOf` gives the range of an input where it is known, or null. */
export function addGolden(
  program: Program,
  module: WebAssembly.Module,
  scanner: Scanner,
  rangeOf: (name: string) => GoldenRange | null,
): WithGolden {
  const [first, ...others] = programsOf(program).map((each) => addToOne(each, module, scanner, rangeOf));
  return {
    program: joinPrograms([first!.program, ...others.map((other) => other.program)]),
    warnings: [...new Set([first!, ...others].flatMap(({ warnings }) => warnings))],
  };
}

function addToOne(
  program: Program,
  module: WebAssembly.Module,
  scanner: Scanner,
  rangeOf: (name: string) => GoldenRange | null,
): WithGolden {
  const model = openProgram(program, module);
  try {
    const ranges = program.metadata.inputs.map((input) => goldenRange(input, rangeOf(input.name)));
    const { golden, constantOutputs, nanOutputs } = runGolden(model, ranges, scanner);
    if (nanOutputs.length > 0) {
      return {
        program,
        warnings: [
          `The outputs ${nanOutputs.join(", ")} are NaN on pseudo-random inputs: the file carries no golden vector for eqm verify.`,
        ],
      };
    }
    const warnings = constantOutputs.map(
      (name) => `The output ${name} is constant on pseudo-random inputs: eqm verify says little about it.`,
    );
    return { program: { ...program, golden }, warnings };
  } finally {
    model.dispose();
  }
}

/** Integers of which nothing is known may be indices: 0 is the one that is always allowed. */
function goldenRange({ dtype }: TensorRegion, calibrated: GoldenRange | null): GoldenRange {
  if (calibrated && rangeHolds(calibrated, dtype)) return calibrated;
  return dtype === "float32" ? { low: -1, high: 1 } : { low: 0, high: 0 };
}
