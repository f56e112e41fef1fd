/** What the compiler's core uses of its surroundings: the parts of the web platform that Node, Deno, Bun and browsers share. */

declare namespace WebAssembly {
  /** A compiled module. */
  class Module {
    private readonly kind: "module";
  }
}

/** Tells a long task to stop. */
interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
}

declare const performance: { now(): number };
