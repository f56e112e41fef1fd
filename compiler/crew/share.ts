/** Ways to share work out: results come back in the order of what was given, whoever did it. */
import type { Pause } from "../event-loop.ts";
import type { Crew } from "./crew.ts";
import type { Trade } from "./trade.ts";

/** What goes along with work that is shared out. */
export interface Progressing {
  readonly pause: Pause;
  /** Is told how many are done. */
  readonly done?: (count: number) => void;
}

/** What came of it. */
export interface Shared<Result> {
  /** In the order of the inputs. */
  readonly results: readonly Result[];
  readonly count: number;
  /** Of the last input, which each member is given at the end where there is one. */
  readonly last: readonly Result[];
}

/** Does each of `inputs`, by whoever is free. Once one fails no more are begun, and its error is thrown. */
export async function shareOut<Init, Input, Result>(
  crew: Crew,
  trade: Trade<Init, Input, Result>,
  init: Init,
  inputs: Iterable<Input> | AsyncIterable<Input>,
  { pause, done, last }: Progressing & { readonly last?: Input },
): Promise<Shared<Result>> {
  const iterator = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  const sessions = crew.open(trade, () => init);
  const results: Result[] = [];
  let [begun, finished, isOver] = [0, 0, false];
  let turn: Promise<unknown> = Promise.resolve();
  const take = async (): Promise<{ readonly input: Input; readonly at: number } | null> => {
    if (isOver) return null;
    const { value, done: isLast } = await iterator.next();
    if (isLast === true) isOver = true;
    return isLast === true ? null : { input: value, at: begun++ };
  };
  // One after the other, so that inputs are counted in their order.
  const next = (): ReturnType<typeof take> => {
    const taken = turn.then(take);
    turn = taken.catch(() => {});
    return taken;
  };
  const work = async (session: (typeof sessions)[number]): Promise<void> => {
    for (let taken = await next(); taken; taken = await next()) {
      await pause();
      results[taken.at] = await session.call(taken.input);
      done?.(++finished);
    }
  };
  try {
    await Promise.all(
      sessions.map((session) =>
        work(session).catch((error: unknown) => {
          isOver = true;
          throw error;
        }),
      ),
    );
    const ends = last === undefined ? [] : await Promise.all(sessions.map((session) => session.call(last)));
    return { results, count: finished, last: ends };
  } catch (error) {
    await iterator.return?.();
    throw error;
  } finally {
    for (const session of sessions) session.close();
  }
}
