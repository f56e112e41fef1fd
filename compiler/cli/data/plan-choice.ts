/** Which plan of a model the command line runs: what --shape says, else the first one that the data fit. */
import type { PlanDescription } from "../../../host/description.ts";
import { InputError } from "../../../host/errors.ts";
import { chosenPlan, planText } from "../../../host/plans.ts";
import type { PreprocessSpec } from "../../../host/preprocess-spec.ts";
import { CompileError } from "../../errors.ts";
import { badData, wrongUsage } from "../errors.ts";
import { createFeeder, type Feeder, type Samples } from "./feeds.ts";

/** Sizes by name, as --shape gives them. */
export type SizeChoice = Readonly<Record<string, readonly number[]>>;

/** The plans that have these sizes; of a model with one plan that one. Throws a usage error where there is none. */
export function plansWith(plans: readonly PlanDescription[], shapes: SizeChoice): readonly [PlanDescription, ...PlanDescription[]] {
  const all = Object.entries(shapes);
  const [first, ...others] =
    plans.length === 1
      ? plans
      : plans.filter(({ sizes }) => all.every(([name, wanted]) => sizes.some((size) => size.name === name && wanted.includes(size.size))));
  if (first) return [first, ...others];
  const wanted = all.map(([name, sizes]) => `--shape ${name}=${sizes}`).join(" ");
  throw wrongUsage(`${wanted}: the model has no such plan; it has ${plans.map(planText).join("; ")}.`);
}

/** A feeder with the plan that it is for. */
export interface PlanFeeder {
  readonly plan: PlanDescription;
  readonly feeder: Feeder;
}

/** The first of `plans` that the first sample fits. @throws CompileError `bad-data` where none does */
export async function createPlanFeeder(
  plans: readonly [PlanDescription, ...PlanDescription[]],
  spec: PreprocessSpec | undefined,
  samples: Samples,
): Promise<PlanFeeder> {
  if (plans.length === 1 && !plans[0].batch) return { plan: plans[0], feeder: await createFeeder(plans[0].inputs, spec, samples) };
  for (const plan of [...plans, ...(await planOfShapes(plans, samples))]) {
    try {
      return { plan, feeder: await createFeeder(plan.inputs, spec, samples) };
    } catch (error) {
      if (!(error instanceof CompileError && error.code === "bad-data")) throw error;
    }
  }
  throw badData(`${samples.path}: the first sample fits none of the model's plans: ${plans.map(planText).join("; ")}.`);
}

/** The plan that arrays choose by their own shapes, which may hold a part of a batch. */
async function planOfShapes(plans: readonly PlanDescription[], samples: Samples): Promise<readonly PlanDescription[]> {
  const sample = await samples.sample(0);
  const arrays = [...sample].flatMap(([name, part]) => ("shape" in part ? [[name || plans[0]!.inputs[0]!.name, part] as const] : []));
  if (arrays.length === 0 || arrays.length < sample.size) return [];
  try {
    return [chosenPlan(plans, Object.fromEntries(arrays.map(([name, { shape }]) => [name, { shape }])))];
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
}
