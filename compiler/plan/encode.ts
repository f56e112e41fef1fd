/** Turns placed steps into the words of format/plan.ts. */
import type { Step } from "../lower/lowered.ts";
import type { Placing } from "./place.ts";

/** The words of one step: [opcode, length, fields…]. */
export function encodeStep(step: Step, { addresses }: Placing): Int32Array {
  const words = new Int32Array(step.layout.WORDS);
  words[0] = step.opcode;
  words[1] = step.layout.WORDS;
  for (const [name, field] of Object.entries(step.fields)) {
    const at = step.layout[name] as number;
    const word = typeof field === "number" ? field : addresses.get(field.region)! + field.offsetBytes;
    if (!Number.isInteger(word) || word < -(2 ** 31) || word >= 2 ** 31) throw new Error(`unreachable: the word ${name} is ${word}`);
    words[at] = word;
  }
  return words;
}
