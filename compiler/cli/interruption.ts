/** Ctrl-C: the first asks the command to stop at its next pause, the second ends the process at once. */
import { interrupted } from "./errors.ts";

const controller = new AbortController();

/** Aborted when the user wants to stop. */
export const stopSignal: AbortSignal = controller.signal;

/** Listens for Ctrl-C until the process ends. */
export function listenForInterrupts(): void {
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(interrupted());
  });
}

/** Lets signals, timers and the terminal have their turn. @throws CompileError `interrupted` */
export async function pause(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  stopSignal.throwIfAborted();
}
