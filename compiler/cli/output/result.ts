/** What a command found: the same facts for programs and for people. */

/** A command's result. Every number in `json` is finite. */
export interface Result {
  /** Printed with --json as one object. */
  readonly json: Readonly<Record<string, unknown>>;
  /** Printed otherwise; ends with a newline. */
  readonly text: string;
  /** 0 unless said. */
  readonly exitCode?: number;
}

/** Prints a result to stdout, where nothing else goes. */
export function printResult(result: Result, asJson: boolean): void {
  process.stdout.write(asJson ? `${JSON.stringify(result.json)}\n` : result.text);
  process.exitCode = result.exitCode ?? 0;
}
