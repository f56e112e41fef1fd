/**
 * In what order the weights of a layer are removed so that its results lose least (OBC: Frantar & Alistarh 2022), and what each costs.
 *
 *   lost by removing the weights P of a row, the others adjusted:  w_P · ((H⁻¹)_PP)⁻¹ · w_Pᵀ
 *   then   w ← w − w_P · ((H⁻¹)_PP)⁻¹ · (H⁻¹)_P,   H⁻¹ ← H⁻¹ − (H⁻¹)_P ᵀ · ((H⁻¹)_PP)⁻¹ · (H⁻¹)_P
 *
 * A panel is of rows that lose the same columns (one, or those that the runtime multiplies together), a unit of columns that go together. A
 * panel is pruned greedily, the cheapest unit first, and does not know of other panels. Work grows with the cube of the depth: columns beyond
 * a bound are pruned in parts, each as if the other parts could still adjust.
 *
 * Float64, + − × ÷ and square roots in fixed order: the same on every engine.
 */
import type { Hands } from "../crew/crew.ts";
import { shareOut } from "../crew/share.ts";
import type { Trade } from "../crew/trade.ts";
import { Workspace } from "../quantize/algebra.ts";
import type { Shape } from "./pattern.ts";

/** What removing costs, panel by panel. */
export interface Removals {
  readonly panels: number;
  /** Units of a panel. */
  readonly units: number;
  /** [panels][units]: units in the order in which they go; −1 behind the last that may. */
  readonly order: Int32Array;
  /** [panels][units]: what the results lose by each, per weight, in the order of `order`; does not fall. */
  readonly losses: Float64Array;
}

/** Multiply-accumulates that a layer's elimination may take. */
const MOST_WORK = 1.2e10;
/** Columns of a part are a multiple of this, and of groups. */
const PART_UNIT = 32;
/** Removals after which H⁻¹ is brought up to date; as many as `subtractOuter` takes. */
const PENDING = 8;

/**
 * Removes all that a pattern lets go, from `rows` ([outputs][depth], the best dense weights) under H⁻¹ ([depth][depth]). Where that
 * took more than `mostWork` multiply-accumulates, columns are pruned in parts.
 */
export async function eliminate(
  rows: Float64Array,
  depth: number,
  inverse: Float64Array,
  shape: Shape,
  { crew, pause }: Hands,
  mostWork = MOST_WORK,
): Promise<Removals> {
  const outputs = rows.length / depth;
  const panels = Math.ceil(outputs / shape.outputs);
  const units = Math.ceil(depth / shape.inputs);
  const order = new Int32Array(panels * units).fill(-1);
  const losses = new Float64Array(panels * units).fill(Number.POSITIVE_INFINITY);
  const width = partWidth(panels, depth, shape, mostWork);
  const panelRows = Array.from({ length: panels }, (_, p) => rows.slice(p * shape.outputs * depth, (p + 1) * shape.outputs * depth));
  const { results } = await shareOut(crew, eliminating, { depth, inverse, shape, width }, panelRows, { pause });
  for (const [p, found] of results.entries()) {
    order.set(found.units, p * units);
    losses.set(found.losses, p * units);
  }
  return { panels, units, order, losses };
}

/** Removes units from a panel, [rows][depth], in parts of `width` columns. */
export const eliminating: Trade<
  { readonly depth: number; readonly inverse: Float64Array; readonly shape: Shape; readonly width: number },
  Float64Array,
  { readonly units: Int32Array; readonly losses: Float64Array }
> = {
  name: "eliminating",
  open({ depth, inverse, shape, width }, { pause }) {
    const part = createPart(Math.min(width, depth));
    return {
      async call(panel) {
        const found: { readonly unit: number; readonly loss: number }[] = [];
        for (let from = 0; from < depth; from += width) {
          await pause();
          found.push(...part(panel, depth, inverse, from, Math.min(depth, from + width), shape));
        }
        if (width < depth) found.sort((a, b) => a.loss - b.loss || a.unit - b.unit);
        return { units: Int32Array.from(found, ({ unit }) => unit), losses: Float64Array.from(found, ({ loss }) => loss) };
      },
      dispose: () => {},
    };
  },
};

/** Columns that are pruned together: a third of their cube for each panel and part, halved by symmetry. */
function partWidth(panels: number, depth: number, { groups }: Shape, mostWork: number): number {
  if ((panels * depth ** 3) / 6 <= mostWork) return depth;
  const widest = Math.sqrt((6 * mostWork) / (panels * depth));
  const parts = Math.ceil(depth / Math.max(PART_UNIT, widest));
  const unit = groups ? PART_UNIT * groups.of : PART_UNIT;
  return Math.ceil(depth / parts / unit) * unit;
}

type Removed = readonly { readonly unit: number; readonly loss: number }[];

/** Elimination within columns `from` to `to` of one panel; at most `most` of them. */
function createPart(
  most: number,
): (panel: Float64Array, depth: number, inverse: Float64Array, from: number, to: number, shape: Shape) => Removed {
  const room = new Workspace();
  // Even, so that columns in pairs stay in their row.
  const pitch = most + (most % 2);
  room.reserve(pitch * (pitch + PENDING));
  const [triangleAddress, pendingAddress] = [room.take(pitch * pitch), room.take(PENDING * pitch)];
  // The lower triangle of H⁻¹ over live columns, which are kept together: row by row, `pitch` apart.
  const triangle = room.doubles(triangleAddress, pitch * pitch);
  const diagonal = new Float64Array(most);
  const columns = new Int32Array(most);
  const places = new Int32Array(most);
  const pending = Array.from({ length: PENDING }, (_, m) => room.doubles(pendingAddress + m * pitch * 8, pitch));
  // (H⁻¹) between the two columns of a unit.
  const between = new Float64Array(most);
  const h = new Float64Array(most);
  return (panel, depth, inverse, from, to, { inputs, groups }) => {
    const size = to - from;
    const outputs = panel.length / depth;
    const rows = Array.from({ length: outputs }, (_, o) => panel.slice(o * depth + from, o * depth + to));
    const left = new Map<number, number>();
    const mayRemove = (unit: number): boolean => groups === null || left.get(Math.floor((from + unit) / groups.of)) !== 0;
    for (let k = 0; k < size; k++) {
      for (let j = 0; j <= k; j++) triangle[k * pitch + j] = inverse[(from + k) * depth + from + j]!;
      diagonal[k] = triangle[k * pitch + k]!;
      columns[k] = k;
      places[k] = k;
      if (groups) {
        const group = Math.floor((from + k) / groups.of);
        left.set(group, Math.max(0, Math.min(groups.of, depth - group * groups.of) - groups.keep));
      }
    }
    const units = Math.ceil(size / inputs);
    for (let u = 0; u < units; u++) between[u] = 2 * u + 1 < size && inputs === 2 ? triangle[(2 * u + 1) * pitch + 2 * u]! : 0;
    const isLive = new Uint8Array(units).fill(1);
    let live = size;
    let held = 0;
    const removed: { unit: number; loss: number }[] = [];
    let worst = 0;

    const removeColumn = (column: number): void => {
      const p = places[column]!;
      for (let j = 0; j < p; j++) h[j] = triangle[p * pitch + j]!;
      for (let i = p; i < live; i++) h[i] = triangle[i * pitch + p]!;
      for (let m = 0; m < held; m++) {
        const u = pending[m]!;
        const factor = u[p]!;
        for (let j = 0; j < live; j++) h[j] = h[j]! - factor * u[j]!;
      }
      const pivot = diagonal[p]!;
      for (const row of rows) {
        const factor = row[p]! / pivot;
        for (let j = 0; j < live; j++) row[j] = row[j]! - factor * h[j]!;
      }
      // The last live column takes the removed one's place.
      const last = --live;
      const mover = columns[last]!;
      if (p !== last) {
        for (let j = 0; j < p; j++) triangle[p * pitch + j] = triangle[last * pitch + j]!;
        for (let i = p + 1; i < last; i++) triangle[i * pitch + p] = triangle[last * pitch + i]!;
        triangle[p * pitch + p] = triangle[last * pitch + last]!;
        diagonal[p] = diagonal[last]!;
        columns[p] = mover;
        places[mover] = p;
        h[p] = h[last]!;
        for (const row of rows) row[p] = row[last]!;
        for (let m = 0; m < held; m++) pending[m]![p] = pending[m]![last]!;
      }
      places[column] = -1;
      const root = Math.sqrt(pivot);
      const u = pending[held]!;
      for (let j = 0; j < live; j++) {
        const x = h[j]! / root;
        u[j] = x;
        diagonal[j] = diagonal[j]! - x * x;
      }
      if (inputs === 2) {
        for (let unit = 0; unit < units; unit++) {
          const [a, b] = [places[2 * unit]!, 2 * unit + 1 < size ? places[2 * unit + 1]! : -1];
          if (a >= 0 && b >= 0) between[unit] = between[unit]! - u[a]! * u[b]!;
        }
      }
      if (++held === PENDING) {
        room.kernels.subtractOuter(triangleAddress, pitch, live, pendingAddress);
        held = 0;
      }
    };

    for (;;) {
      let best = -1;
      let least = Number.POSITIVE_INFINITY;
      if (inputs === 1) {
        for (let j = 0; j < live; j++) {
          let squares = 0;
          for (let o = 0; o < outputs; o++) squares += rows[o]![j]! * rows[o]![j]!;
          const loss = squares / diagonal[j]!;
          const column = columns[j]!;
          if ((loss < least || (loss === least && column < best)) && mayRemove(column)) {
            least = loss;
            best = column;
          }
        }
      } else {
        for (let unit = 0; unit < units; unit++) {
          if (isLive[unit] === 0) continue;
          const a = places[2 * unit]!;
          const b = 2 * unit + 1 < size ? places[2 * unit + 1]! : -1;
          const loss = b < 0 ? lossOfOne(rows, a, diagonal[a]!) : lossOfTwo(rows, a, b, diagonal[a]!, between[unit]!, diagonal[b]!);
          if (loss < least) {
            least = loss;
            best = unit;
          }
        }
      }
      if (best < 0) break;
      const count = inputs === 2 && 2 * best + 1 < size ? 2 : 1;
      worst = Math.max(worst, least / (outputs * count));
      removed.push({ unit: Math.floor(from / inputs) + best, loss: worst });
      if (inputs === 2) isLive[best] = 0;
      if (groups) {
        const group = Math.floor((from + best) / groups.of);
        left.set(group, left.get(group)! - 1);
      }
      removeColumn(best * inputs);
      if (count === 2) removeColumn(best * inputs + 1);
    }
    return removed;
  };
}

function lossOfOne(rows: readonly Float64Array[], a: number, diagonal: number): number {
  let squares = 0;
  for (const row of rows) squares += row[a]! * row[a]!;
  return squares / diagonal;
}

/** w_P · [[p, q], [q, r]]⁻¹ · w_Pᵀ over the rows. */
function lossOfTwo(rows: readonly Float64Array[], a: number, b: number, p: number, q: number, r: number): number {
  let total = 0;
  for (const row of rows) {
    const [x, y] = [row[a]!, row[b]!];
    total += x * x * r - 2 * x * y * q + y * y * p;
  }
  return total / (p * r - q * q);
}
