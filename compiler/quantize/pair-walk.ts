/**
 * Samples on their way through two models side by side, the one that is aimed at and the compressed one, and what a layer of both is given:
 * each member of a crew takes its share of the samples.
 */
import type { Crew, Session } from "../crew/crew.ts";
import type { Trade } from "../crew/trade.ts";
import type { Planned } from "../plan/plan.ts";
import { portable } from "../run/graph-runner.ts";
import { SampleWalk, type Walkable } from "../run/sample-walk.ts";
import { portableSample, type Sample } from "./calibrate.ts";
import { depthOf, gather, pixelsOf, type Window } from "./patches.ts";

/** Where one model holds what a layer reads. */
export interface Side {
  /** The layer's step. */
  readonly step: number;
  readonly window: Window;
  /** Inputs are multiplied by it. */
  readonly factor: number;
  /** A float32 value that the layer's result is added to, where there is one: its address, [pixels][channels]. */
  readonly addend?: { readonly address: number; readonly channels: number };
}

/** A layer in both models, and how many of its pixels to look at for each sample. */
export interface Look {
  readonly aim: Side;
  readonly compressed: Side;
  readonly share: number;
}

/** What a layer is given of one sample, in both models. */
export interface Glimpse {
  /** In the model that is aimed at: [groups][share][depth]. */
  readonly x: Float32Array;
  /** In the compressed one, likewise. */
  readonly quantized: Float32Array;
  /** What the compressed model's addend lacks, [share][channels]; null where there is none. */
  readonly missing: Float32Array | null;
}

/** Takes samples to a layer, or goes on with another compressed model, which differs in its constants alone. */
type Step = { readonly look: Look } | { readonly replace: Walkable };

/** Walks some of the samples; `indices` are their places among all. */
export const walking: Trade<
  { readonly aim: Walkable; readonly compressed: Walkable; readonly samples: readonly Sample[]; readonly indices: readonly number[] },
  Step,
  readonly Glimpse[]
> = {
  name: "walking",
  open({ aim, compressed, samples, indices }, { module, pause }) {
    const walks = { aim: new SampleWalk(aim, module, samples), compressed: new SampleWalk(compressed, module, samples) };
    return {
      async call(step) {
        if ("replace" in step) {
          walks.compressed.replace(step.replace);
          return [];
        }
        const { look } = step;
        const found = samples.map(() => emptyGlimpse(look));
        for (const side of ["compressed", "aim"] as const) {
          await walks[side].advanceTo(look[side].step, (i, view) => see(look, side, indices[i]!, view, found[i]!), pause);
        }
        return found;
      },
      dispose() {
        walks.aim.dispose();
        walks.compressed.dispose();
      },
    };
  },
};

function emptyGlimpse({ aim, compressed, share }: Look): Glimpse {
  const size = compressed.window.groups * share * depthOf(compressed.window);
  const channels = aim.addend && compressed.addend ? aim.addend.channels : 0;
  return {
    x: new Float32Array(size),
    quantized: new Float32Array(size),
    missing: channels > 0 ? new Float32Array(share * channels) : null,
  };
}

function see(
  look: Look,
  side: "aim" | "compressed",
  sample: number,
  view: (address: number, bytes: number) => Uint8Array,
  { x, quantized, missing }: Glimpse,
): void {
  const { window, factor, addend } = look[side];
  const pixels = pixelsOf(look.compressed.window);
  const chosen = spread(pixels, look.share, sample);
  gather(window, view(window.address, window.bytes), chosen, factor, side === "aim" ? x : quantized, look.share, 0);
  if (!missing || !addend) return;
  const { channels } = addend;
  const bytes = view(addend.address, pixels * channels * 4);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, pixels * channels);
  for (const [p, pixel] of chosen.entries()) {
    const to = p * channels;
    for (let c = 0; c < channels; c++) missing[to + c] = missing[to + c]! + (side === "aim" ? 1 : -1) * data[pixel * channels + c]!;
  }
}

/** `count` of `pixels`, evenly spread, each sample at another offset. */
function spread(pixels: number, count: number, sample: number): Int32Array {
  const offset = ((sample * 40503) % 65536) / 65536;
  return Int32Array.from({ length: count }, (_, i) => Math.floor(((i + offset) * pixels) / count));
}

/** A walk of all samples. */
export class PairWalk {
  private readonly crew: Crew;
  private readonly sessions: readonly Session<Step, readonly Glimpse[]>[];

  constructor(crew: Crew, aim: Planned, compressed: Planned, samples: readonly Sample[]) {
    this.crew = crew;
    const each = samples.map(portableSample);
    const [from, to] = [walkable(aim), walkable(compressed)];
    this.sessions = crew.open(walking, (member) => {
      const isOwn = (_: unknown, i: number): boolean => i % crew.size === member;
      return { aim: from, compressed: to, samples: each.filter(isOwn), indices: [...samples.keys()].filter(isOwn) };
    });
  }

  /** What each sample gives a layer, which is not before that of the last call. */
  async look(look: Look): Promise<readonly Glimpse[]> {
    const parts = await Promise.all(this.sessions.map((session) => session.call({ look })));
    const all: Glimpse[] = [];
    for (const [member, part] of parts.entries()) {
      for (const [i, glimpse] of part.entries()) all[i * this.crew.size + member] = glimpse;
    }
    return all;
  }

  /** Goes on with a compressed model that differs in its constants alone. */
  async replace(compressed: Planned): Promise<void> {
    const replace = walkable(compressed);
    await Promise.all(this.sessions.map((session) => session.call({ replace })));
  }

  dispose(): void {
    for (const session of this.sessions) session.close();
  }
}

function walkable({ program, pieces }: Planned): Walkable {
  return { program: portable(program), pieces };
}
