/** Whether the zeros among a layer's weights are worth leaving out, and in what form. */
import * as Packing from "../../format/packings.ts";
import { BLOCKS_OF_1, BLOCKS_OF_2, SCATTERED } from "../../format/steps/conv-i8.ts";
import { countQuads } from "./blocks.ts";

/** A form of sparse weights, as CONV_I8 takes them. */
interface Form {
  readonly packing: number;
  /** The step's PAIR_SAFE. */
  readonly mark: number;
  /** What the packing's parameter p2 has to say. */
  readonly count: (values: Int8Array, outputs: number, depth: number) => number;
  /** Products that one of those is. */
  readonly products: number;
  /**
   * The part of all products up to which the form is faster than the dense kernel of run-safe weights of eight bits, as which nearly all can be rounded:
   * in both builds, on every shape that `npm run bench:sparse` times, with something to spare for machines whose dense kernel gains more from its
   * instructions.
   */
  readonly limit: number;
  /** The same where there is one row of inputs only, so that a dense kernel has little to do but to read the weights. */
  readonly limitOfRow: number;
  /** What each output costs beside its products, in products. */
  readonly productsPerOutput: number;
  /** Rows that the form takes at a time. */
  readonly leastRows: number;
}

const BLOCK = { products: 32, productsPerOutput: 5, leastRows: 1 } as const;
const FORMS: readonly Form[] = [
  {
    packing: Packing.GEMM_BLOCKS_2_I8,
    mark: BLOCKS_OF_2,
    count: (...rows) => countQuads(...rows, 2),
    limit: 0.77,
    limitOfRow: 0.5,
    ...BLOCK,
  },
  {
    packing: Packing.GEMM_BLOCKS_1_I8,
    mark: BLOCKS_OF_1,
    count: (...rows) => countQuads(...rows, 1),
    limit: 0.7,
    limitOfRow: 0.38,
    ...BLOCK,
  },
  {
    packing: Packing.GEMM_SCATTERED_I8,
    mark: SCATTERED,
    count: countPairs,
    limit: 0.15,
    limitOfRow: 0,
    products: 2,
    productsPerOutput: 4,
    leastRows: 16,
  },
];

/** How many times as fast as weights of eight bits dense ones of four are multiplied, at most. */
const FOUR_BIT_SPEED = 1.26;

/** Fewer zeros than this make no form faster. */
const LEAST_ZEROS = 0.2;

/** Sparse weights: their packing, the mark of the step that reads them, and what is not zero, counted as the packing does. */
export interface Sparse {
  readonly packing: number;
  readonly mark: number;
  readonly count: number;
}

/**
 * The form in which weights, rows of `depth` values of which `outputs` are a group, are multiplied fastest with so many adjacent rows of inputs; null
 * where that is the dense one.
 */
export function sparseForm(values: Int8Array, outputs: number, depth: number, rows: number, isFourBits: boolean): Sparse | null {
  if (zerosOf(values) < LEAST_ZEROS * values.length) return null;
  const all = (values.length / outputs) * Math.ceil(outputs / 8) * 8;
  let best: Sparse | null = null;
  let least = 1;
  for (const { packing, mark, count, limit, limitOfRow, products, productsPerOutput, leastRows } of FORMS) {
    if (rows < leastRows || (packing === Packing.GEMM_SCATTERED_I8 && depth >= Packing.SCATTERED_COLUMNS)) continue;
    const own = count(values, outputs, depth);
    const cost = ((own * products + (values.length / depth) * productsPerOutput) / all) * (isFourBits ? FOUR_BIT_SPEED : 1);
    const part = cost / (rows === 1 ? limitOfRow : limit);
    if (!(part < least)) continue;
    best = { packing, mark, count: own };
    least = part;
  }
  return best;
}

/** Pairs of weights that are not zero, output by output. */
export function countPairs(values: Int8Array, _outputs: number, depth: number): number {
  let pairs = 0;
  for (let row = 0; row < values.length; row += depth) {
    let own = 0;
    for (let k = row; k < row + depth; k++) if (values[k] !== 0) own++;
    pairs += (own + 1) >> 1;
  }
  return pairs;
}

function zerosOf(values: Int8Array): number {
  let zeros = 0;
  for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros++;
  return zeros;
}
