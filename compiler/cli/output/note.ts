/** Remarks for people, on stderr, so that stdout holds the result alone. */
import { stopProgress } from "./progress.ts";

/** Prints one line on stderr. */
export function note(text: string): void {
  stopProgress();
  process.stderr.write(`eqm: ${text}\n`);
}

/** Prints a warning on stderr. */
export function warn(text: string): void {
  note(`warning: ${text}`);
}
