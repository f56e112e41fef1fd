/** Who touches which region, and how a step is pointed at another one: what the rules of this folder share. */
import type { Lowered, Reference, Region, Step } from "../lower/lowered.ts";

/** One field of one step that refers to a region; before any step computes in place, a step either reads a region or writes it. */
export interface Use {
  readonly step: Step;
  readonly field: string;
  readonly reference: Reference;
  readonly isWrite: boolean;
}

/** Every use of every region, in the order of the steps. */
export function usesOf(steps: readonly Step[]): ReadonlyMap<Region, readonly Use[]> {
  const uses = new Map<Region, Use[]>();
  for (const step of steps) {
    for (const [field, reference] of Object.entries(step.fields)) {
      if (typeof reference !== "object") continue;
      const use = { step, field, reference, isWrite: reference.region === step.scratch || step.writes.includes(reference.region) };
      const list = uses.get(reference.region);
      if (list) list.push(use);
      else uses.set(reference.region, [use]);
    }
  }
  return uses;
}

/** Regions that the model's users see. */
export function portRegions({ inputs, outputs }: Lowered): ReadonlySet<Region> {
  return new Set([...inputs, ...outputs].map(({ reference }) => reference.region));
}

/** The place of a step's field. */
export function referenceOf(step: Step, field: string): Reference {
  const reference = step.fields[field];
  if (typeof reference !== "object") throw new Error(`unreachable: ${field} is no reference`);
  return reference;
}

/** The number in a step's field. */
export function numberOf(step: Step, field: string): number {
  const number = step.fields[field];
  if (typeof number !== "number") throw new Error(`unreachable: ${field} is no number`);
  return number;
}

/** The step with every reference into `from` moved to `offsetBytes` into `to`. */
export function redirected(step: Step, from: Region, to: Region, offsetBytes: number): Step {
  const fields = Object.fromEntries(
    Object.entries(step.fields).map(([name, field]) => [
      name,
      typeof field === "object" && field.region === from ? { region: to, offsetBytes: field.offsetBytes + offsetBytes } : field,
    ]),
  );
  return { ...step, fields, writes: step.writes.map((region) => (region === from ? to : region)) };
}

/** What names the nodes of a step that does the work of several. */
export function nodesOf(...steps: readonly Step[]): Pick<Step, "node" | "fusedNodes"> {
  const [node = null, ...fusedNodes] = new Set(steps.flatMap((step) => [step.node, ...(step.fusedNodes ?? [])]).filter((n) => n !== null));
  return fusedNodes.length > 0 ? { node, fusedNodes } : { node };
}
