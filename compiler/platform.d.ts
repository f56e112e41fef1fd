/** What the compiler's core uses of its surroundings: the parts of the web platform that Node, Deno, Bun and browsers share. */

declare namespace WebAssembly {
  /** A compiled module. */
  class Module {
    private readonly kind: "module";
    constructor(bytes: Uint8Array);
  }
  /** A module on what it imports. */
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  /** What a module reads and writes. */
  class Memory {
    constructor(descriptor: { readonly initial: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}

/** Tells a long task to stop. */
interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", handler: () => void): void;
  removeEventListener(type: "abort", handler: () => void): void;
}

declare function setTimeout(handler: () => void, ms: number): unknown;
declare function clearTimeout(timer: unknown): void;

declare const performance: { now(): number };

/** One end of a channel; a message arrives in a turn of the event loop of its own. */
interface MessagePort {
  onmessage: (() => void) | null;
  postMessage(message: null): void;
  close(): void;
}

declare class MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}
