/** Starts further threads in web workers. */
import type { ThreadStarter } from "./crew.ts";

/** Starts them where there are web workers. */
export const starter: ThreadStarter = {
  // Bundlers look for exactly this form.
  start: typeof Worker === "undefined" ? undefined : () => new Worker(new URL("./thread.js", import.meta.url), { type: "module" }),
  processors: globalThis.navigator?.hardwareConcurrency,
};
