/**
 * Which outputs of a model are states that its next run takes as inputs: as the option `state` says, else found by what exporters call them, where
 * type and shape are the same. It changes nothing of what a run computes; it is what `stream` carries.
 */
import type { StateLink, TensorRegion } from "../host/metadata.ts";
import { joinPrograms, type Program, programsOf } from "../host/program.ts";
import { sameShape } from "../host/tensor.ts";
import { CompileError } from "./errors.ts";

/** A program that knows its states. */
export interface WithStates {
  readonly program: Program;
  readonly states: readonly (StateLink & { readonly detected: boolean })[];
}

/** Adds states to the metadata of every plan. `given` has them by output; an empty record means that there are none. Throws `bad-option`. */
export function addStates(program: Program, given: Readonly<Record<string, string>> | undefined): WithStates {
  const links = given ? Object.entries(given).map(([output, input]) => ({ input, output })) : detected(program);
  for (const link of given ? links : []) {
    const problem = linkProblem(program, link) ?? repetition(links, link);
    if (problem !== undefined) throw badState(link, problem);
  }
  if (links.length === 0) return { program, states: [] };
  const [first, ...others] = programsOf(program).map((each) => ({ ...each, metadata: { ...each.metadata, states: links } }));
  return { program: joinPrograms([first!, ...others]), states: links.map((link) => ({ ...link, detected: !given })) };
}

/** Words that say on which side of a run a state stands. */
const BEFORE = new Set(["in", "input", "inputs", "prev", "previous", "past", "old", "init", "initial", "last"]);
const AFTER = new Set(["out", "output", "outputs", "next", "new", "present", "current", "updated", "final", "n"]);

/** What states are called; other inputs that have a namesake among the outputs, as an image has, are none. */
const STATE = /state|hidden|cell|cache|memory|buffer|context|carry|^(?:[hc][\dx]?|rnn|lstm|gru)$/;

/** Pairs whose names say the same of both sides: `state` and `stateN`, `h0` and `h0_out` or `hn`, `past.0.key` and `present.0.key`. */
function detected(program: Program): readonly StateLink[] {
  const { inputs, outputs } = program.metadata;
  const links: StateLink[] = [];
  for (const keysOf of [exactKey, shortKey]) {
    const free = inputs.filter(({ name }) => !links.some(({ input }) => input === name));
    const left = outputs.filter(({ name }) => !links.some(({ output }) => output === name));
    for (const input of free) {
      const key = keysOf(input.name, BEFORE);
      const matches = left.filter(({ name }) => key !== undefined && keysOf(name, AFTER) === key);
      const rivals = free.filter(({ name }) => keysOf(name, BEFORE) === key);
      if (matches.length !== 1 || rivals.length !== 1) continue;
      const link = { input: input.name, output: matches[0]!.name };
      if (linkProblem(program, link) === undefined) links.push(link);
    }
  }
  return links;
}

/** A state's name without the words for its side; undefined where the name is not one of a state. */
function exactKey(name: string, side: ReadonlySet<string>): string | undefined {
  const words = wordsOf(name);
  const key = words.filter((word) => !side.has(word)).join(".");
  return key !== "" && words.some((word) => STATE.test(word) || word === "past" || word === "present") ? key : undefined;
}

/** `h` of h, h0, hx, h_0 on the one side and h, hn, hy, h_n on the other; likewise c. */
function shortKey(name: string, side: ReadonlySet<string>): string | undefined {
  const pattern = side === BEFORE ? /^([hc])(?:0|x|in|prev)?$/ : /^([hc])(?:n|y|out|next)?$/;
  return pattern.exec(wordsOf(name).join(""))?.[1];
}

/** Words of a name in small letters: what stands apart, and what begins with a capital. */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/past_key_values/g, "past")
    .replace(/([a-z\d])([A-Z])/g, "$1.$2")
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== "");
}

/** Why an output cannot be carried to an input, or undefined. */
function linkProblem(program: Program, { input, output }: StateLink): string | undefined {
  for (const { metadata } of programsOf(program)) {
    const to = metadata.inputs.find(({ name }) => name === input);
    const from = metadata.outputs.find(({ name }) => name === output);
    if (!to) return `the model has no input "${input}"; it has ${namesOf(metadata.inputs)}`;
    if (!from) return `the model has no output "${output}"; it has ${namesOf(metadata.outputs)}`;
    if (from.counted) return `the data decide how large the output "${output}" is`;
    if (to.dtype !== from.dtype || !sameShape(to.shape, from.shape))
      return `the output is ${from.dtype}[${from.shape}], the input ${to.dtype}[${to.shape}]; a state has one type`;
  }
  return undefined;
}

function repetition(links: readonly StateLink[], link: StateLink): string | undefined {
  return links.filter(({ input }) => input === link.input).length > 1 ? `the input "${link.input}" is given twice` : undefined;
}

function namesOf(tensors: readonly TensorRegion[]): string {
  return tensors.map(({ name }) => `"${name}"`).join(", ") || "none";
}

function badState({ input, output }: StateLink, problem: string): CompileError {
  return new CompileError("bad-option", `The state ${output}=${input}: ${problem}.`, { option: "state", input, output }, "usage");
}
