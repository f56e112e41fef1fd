/** The worker's side of a model: loads one file and answers runs, in the order in which they come. */
import type { ThreadStarter } from "./crew.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { type Answer, type Request, toPlain } from "./worker-protocol.ts";

/** How a kind of worker hears and answers. */
export interface Scope {
  onRequest(handler: (request: Request) => void): void;
  answer(answer: Answer, transfer: ArrayBuffer[]): void;
}

/** Serves until the worker is terminated; `thread` starts further threads. */
export function serve(scope: Scope, thread?: ThreadStarter): void {
  let model: Model | undefined;
  let turn: Promise<void> = Promise.resolve();

  async function handle(request: Request): Promise<void> {
    const { id } = request;
    try {
      if ("load" in request) {
        model = await load(request.load, { ...request.options, ...(thread && { thread }) });
        const { metadata, plans, features, memoryBytes } = model;
        scope.answer({ id, loaded: { metadata, plans, features, memoryBytes } }, []);
      } else if (!model) {
        throw new Error("unreachable: run before load");
      } else if ("warmup" in request) {
        scope.answer({ id, warmup: await model.warmup(request.warmup) }, []);
      } else {
        const outputs = model.run(request.run);
        scope.answer(
          { id, outputs },
          Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer),
        );
      }
    } catch (error) {
      scope.answer({ id, error: toPlain(error) }, []);
    }
  }

  scope.onRequest((request) => {
    turn = turn.then(() => handle(request));
  });
}
