/**
 * Which channels share blocks. What a layer computes does not depend on the order of its outputs; but outputs that are pruned together should do
 * without the same inputs (cf. Pool & Yu 2021, "Channel permutations for N:M sparsity").
 *
 *   least   Σ over layers and blocks  min( Σ over the block's outputs of what the layer loses without the weight , τ )
 *
 * τ is what the block loses that is just about to go: what costs more stays, however much more it is. From several orders pairs of channels are
 * exchanged for as long as that gains.
 */

/** A layer whose outputs may change places. */
export interface OrderedLayer {
  /** Inputs of an output. */
  readonly depth: number;
  /** [outputs][depth]: what the layer's result loses without a weight. Not negative. */
  readonly scores: Float64Array;
  /** The channel of each output. */
  readonly channels: readonly number[];
}

/** Which channel takes whose place: the one that comes by the one that was there, by their roots; others stay. */
export type Arrangement = ReadonlyMap<number, number>;

/** What was found, and the part of all losses that goes with the blocks that go, before and after. */
export interface ChannelOrder {
  readonly arrangement: Arrangement;
  readonly before: number;
  readonly after: number;
}

/** Orders that are started from: the given one, and others by chance. */
const STARTS = 4;
const MOST_SWEEPS = 16;
/** Sums that a sweep may take, of layers that need more a part of the inputs is looked at; and what all sweeps from one order may. */
const SWEEP_WORK = 8e6;
const MOST_WORK = 3.2e7;
/** A gain that is more than rounding, as a part of the whole. */
const LEAST_GAIN = 1e-9;

/**
 * The best order found of `channels`, which may take each other's places in all `layers` that make them, where `fraction` (0 to 1) of the
 * blocks of `tile` adjacent outputs is to go.
 */
export async function orderChannels(
  channels: readonly number[],
  layers: readonly OrderedLayer[],
  tile: number,
  fraction: number,
  pause: () => Promise<void>,
): Promise<ChannelOrder> {
  const work = ((channels.length * channels.length) / 2) * layers.reduce((sum, { depth }) => sum + depth, 0);
  const stride = Math.max(1, Math.ceil(work / SWEEP_WORK));
  const panels = layers.map((layer) => new Panels(channels, layer, tile, stride));
  const starts = stride > 1 ? 1 : STARTS;
  const sweeps = Math.min(MOST_SWEEPS, Math.ceil((MOST_WORK * stride) / work));
  const given = Int32Array.from(channels.keys());
  const lostBy = (order: Int32Array): number => panels.reduce((sum, each) => sum + each.fill(order, fraction), 0);
  const before = lostBy(given);
  let best: { readonly order: Int32Array; readonly lost: number } = { order: given, lost: before };
  for (let start = 0; start < starts; start++) {
    const order = start === 0 ? given.slice() : shuffled(given, start);
    const lost = await improve(order, panels, lostBy, sweeps, pause);
    if (lost < best.lost) best = { order, lost };
  }
  return { arrangement: new Map(channels.map((channel, i) => [channel, channels[best.order[i]!]!])), before, after: best.lost };
}

/** Exchanges pairs in `order` until none gains, or for so many sweeps; gives what is lost then. */
async function improve(
  order: Int32Array,
  panels: readonly Panels[],
  lostBy: (order: Int32Array) => number,
  sweeps: number,
  pause: () => Promise<void>,
): Promise<number> {
  let lost = lostBy(order);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let isBetter = false;
    for (let a = 0; a < order.length; a++) {
      await pause();
      for (let b = a + 1; b < order.length; b++) {
        let gain = 0;
        for (const each of panels) gain += each.gainOf(a, b, order);
        if (!(gain > LEAST_GAIN * lost)) continue;
        for (const each of panels) each.exchange(a, b, order);
        [order[a], order[b]] = [order[b]!, order[a]!];
        isBetter = true;
      }
    }
    lost = lostBy(order);
    if (!isBetter) break;
  }
  return lost;
}

/** The blocks of a layer, by the panels of adjacent outputs that they lie in. */
class Panels {
  /** [panels][width]: Σ over a panel's outputs. */
  private readonly sums: Float64Array;
  private readonly width: number;
  private readonly scores: Float64Array;
  private readonly tile: number;
  /** The output where each channel of the order lies, and the channel that lies at each output; −1 for one of no order. */
  private readonly outputOf: Int32Array;
  private readonly channelAt: Int32Array;
  private threshold = 0;

  /** Of the layer's inputs every `stride`-th is looked at. */
  constructor(channels: readonly number[], { depth, scores, channels: made }: OrderedLayer, tile: number, stride: number) {
    this.width = Math.ceil(depth / stride);
    this.tile = tile;
    this.scores = Float64Array.from({ length: made.length * this.width }, (_, i) => {
      return scores[Math.floor(i / this.width) * depth + (i % this.width) * stride]!;
    });
    this.sums = new Float64Array(Math.ceil(made.length / tile) * this.width);
    const places = new Map(channels.map((channel, i) => [channel, i]));
    this.channelAt = Int32Array.from(made, (channel) => places.get(channel) ?? -1);
    this.outputOf = new Int32Array(channels.length);
    this.channelAt.forEach((i, o) => {
      if (i >= 0) this.outputOf[i] = o;
    });
  }

  /** Lays the channels out; what is lost with the part of the blocks that costs least. */
  fill(order: Int32Array, fraction: number): number {
    const { sums, scores, width, tile, channelAt, outputOf } = this;
    sums.fill(0);
    for (const [o, i] of channelAt.entries()) {
      const from = (i < 0 ? o : outputOf[order[i]!]!) * width;
      const to = Math.floor(o / tile) * width;
      for (let k = 0; k < width; k++) sums[to + k] = sums[to + k]! + scores[from + k]!;
    }
    const sorted = sums.slice().sort();
    const going = Math.min(sorted.length - 1, Math.floor(fraction * sorted.length));
    this.threshold = sorted[going]!;
    let lost = 0;
    for (let i = 0; i < going; i++) lost += sorted[i]!;
    return lost;
  }

  /** What exchanging the channels at two places of the order gains. */
  gainOf(a: number, b: number, order: Int32Array): number {
    const { sums, scores, width, threshold } = this;
    const [p, q] = this.panelsOf(a, b);
    if (p === q) return 0;
    const [x, y] = [this.outputOf[order[a]!]! * width, this.outputOf[order[b]!]! * width];
    let gain = 0;
    for (let k = 0; k < width; k++) {
      const more = scores[y + k]! - scores[x + k]!;
      const [s, t] = [sums[p + k]!, sums[q + k]!];
      gain += Math.min(s, threshold) + Math.min(t, threshold) - Math.min(s + more, threshold) - Math.min(t - more, threshold);
    }
    return gain;
  }

  exchange(a: number, b: number, order: Int32Array): void {
    const { sums, scores, width } = this;
    const [p, q] = this.panelsOf(a, b);
    if (p === q) return;
    const [x, y] = [this.outputOf[order[a]!]! * width, this.outputOf[order[b]!]! * width];
    for (let k = 0; k < width; k++) {
      const more = scores[y + k]! - scores[x + k]!;
      sums[p + k] = sums[p + k]! + more;
      sums[q + k] = sums[q + k]! - more;
    }
  }

  /** Where the sums of the panels of two places begin. */
  private panelsOf(a: number, b: number): readonly [number, number] {
    const { outputOf, tile, width } = this;
    return [Math.floor(outputOf[a]! / tile) * width, Math.floor(outputOf[b]! / tile) * width];
  }
}

/** Another order, the same one for the same seed. */
function shuffled(order: Int32Array, seed: number): Int32Array {
  const result = order.slice();
  let state = seed;
  for (let i = result.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 4294967296) * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
