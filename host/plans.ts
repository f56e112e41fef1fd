/**
 * Which plan of a model a call is for, by what it is given: tensors say their shapes, arrays only their lengths. A batch that is smaller than
 * a plan's is filled up where the model treats its members each by itself; no other dimension ever is, since that would change results.
 */
import type { PlanDescription, TensorDescription } from "./description.ts";
import { InputError } from "./errors.ts";
import type { Batch } from "./metadata.ts";
import { elementCount, sameShape, type Tensor, type TypedArray } from "./tensor.ts";

/** What a call is given, by input name: tensors, or anything else with their shapes, and arrays. */
export type Given = Readonly<Record<string, TypedArray | Pick<Tensor, "shape">>>;

/** A plan, and how many members of its batch are there; undefined where it has no batch that may be filled up. */
export interface Choice {
  readonly plan: number;
  readonly members: number | undefined;
}

/**
 * Chooses the plan. Inputs that are missing may have any shape (names and types are checked later). Throws InputError `no-plan` where none
 * takes them, `ambiguous-shape` where arrays could stand for several shapes.
 */
export function choosePlan(plans: readonly PlanDescription[], inputs: Given): Choice {
  return plans.length === 1 && !plans[0]?.batch ? { plan: 0, members: undefined } : chooseAmong(plans, inputs);
}

/** Chooses among several plans, or as many members of a batch as are there. */
function chooseAmong(plans: readonly PlanDescription[], inputs: Given): Choice {
  const found = new Map<string, Choice>();
  const sizeOf = (plan: number): number => plans[plan]?.batch?.size ?? 0;
  for (const [plan, description] of plans.entries()) {
    for (const members of membersOf(description, inputs)) {
      const shapes = JSON.stringify(tensorsWith(description, "inputs", members).map(({ shape }) => shape));
      const other = found.get(shapes);
      if (!other || sizeOf(plan) < sizeOf(other.plan)) found.set(shapes, { plan, members });
    }
  }
  const [choice, ...others] = found.values();
  if (!choice) throw noPlan(plans, inputs);
  if (others.length > 0) throw ambiguous([...found.keys()], inputs);
  return choice;
}

/** The plan that inputs choose, with the shapes that they lead to. Throws as `choosePlan`. */
export function chosenPlan(plans: readonly PlanDescription[], given: Given): PlanDescription {
  const { plan, members } = choosePlan(plans, given);
  const chosen = plans[plan]!;
  return { ...chosen, inputs: tensorsWith(chosen, "inputs", members), outputs: tensorsWith(chosen, "outputs", members) };
}

/** A tensor with `members` of the batch along `axis`, rather than as many as it could hold. */
export function withMembers<T extends Pick<TensorDescription, "shape">>(tensor: T, { size }: Batch, axis: number, members: number): T {
  return { ...tensor, shape: tensor.shape.map((length, i) => (i === axis ? (length / size) * members : length)) };
}

/** What a plan takes, in a sentence. */
export function planText({ inputs, sizes }: Pick<PlanDescription, "inputs" | "sizes">): string {
  const shapes = inputs.map(({ name, shape }) => `${name} [${shape}]`).join(", ");
  return sizes.length > 0 ? `${sizes.map(({ name, size }) => `${name}=${size}`).join(" ")} (${shapes})` : shapes;
}

/** A plan's tensors with as many members of the batch as there are. */
function tensorsWith(plan: PlanDescription, side: "inputs" | "outputs", members: number | undefined): readonly TensorDescription[] {
  const { batch } = plan;
  if (!batch || members === undefined) return plan[side];
  return plan[side].map((tensor, i) => {
    const axis = batch[side][i]!;
    return axis < 0 ? tensor : withMembers(tensor, batch, axis, members);
  });
}

/** How many members of a plan's batch the inputs could be; nothing where they do not fit, undefined in it where there is no batch. */
function membersOf(plan: PlanDescription, inputs: Given): readonly (number | undefined)[] {
  const { batch } = plan;
  const given = (name: string): TypedArray | Pick<Tensor, "shape"> | undefined =>
    Object.hasOwn(inputs, name) ? (inputs[name] ?? undefined) : undefined;
  const fits = (members: number | undefined): boolean =>
    tensorsWith(plan, "inputs", members).every(({ name, shape }) => {
      const array = given(name);
      if (array === undefined) return true;
      return isShaped(array) ? sameShape(array.shape, shape) : array.length === elementCount(shape);
    });
  if (!batch) return fits(undefined) ? [undefined] : [];
  const witness = plan.inputs.find(({ name }, i) => batch.inputs[i]! >= 0 && given(name) !== undefined);
  if (!witness) return fits(batch.size) ? [batch.size] : [];
  const array = given(witness.name)!;
  const elements = isShaped(array) ? elementCount(array.shape) : array.length;
  const members = (elements * batch.size) / elementCount(witness.shape);
  return Number.isInteger(members) && members >= 1 && members <= batch.size && fits(members) ? [members] : [];
}

function isShaped(given: TypedArray | Pick<Tensor, "shape">): given is Pick<Tensor, "shape"> {
  return typeof given === "object" && given !== null && "shape" in given && Array.isArray(given.shape);
}

function givenText(inputs: Given): string {
  return Object.entries(inputs)
    .map(([name, given]) => (isShaped(given) ? `${name} [${given.shape}]` : `${name} of ${given?.length} elements`))
    .join(", ");
}

function noPlan(plans: readonly PlanDescription[], inputs: Given): InputError {
  const batch = plans.some((plan) => plan.batch) ? " A smaller batch is filled up, nothing else." : "";
  return new InputError(
    "no-plan",
    `The model has no plan for ${givenText(inputs)}; it has ${plans.map(planText).join("; ")}.${batch} Compile it with --shape for these sizes too.`,
    { plans: plans.map(({ inputs: all }) => all.map(({ name, shape }) => ({ name, shape }))) },
  );
}

function ambiguous(shapes: readonly string[], inputs: Given): InputError {
  return new InputError(
    "ambiguous-shape",
    `The inputs ${givenText(inputs)} could have the shapes ${shapes.join(" or ")}: give tensors { dtype, shape, data }.`,
    { shapes: shapes.map((text) => JSON.parse(text) as unknown) },
  );
}
