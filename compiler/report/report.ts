/** What compiling found out, as plain JSON. */
import type { BudgetReport } from "../budget/report.ts";
import type { FileParts } from "./file-parts.ts";

/** One layer: a step of the plan with weights, or a group of steps of one node. */
export interface LayerReport {
  readonly name: string;
  readonly op: string;
  /** ONNX nodes that became this layer. */
  readonly sources: readonly string[];
  readonly precision: "int8" | "float32";
  /** The layer is in float32 because its operands in int8, alone, would leave the outputs this SQNR, in dB. */
  readonly aloneDb?: number;
  /**
   * Signal to noise of the layer's int8 result, in dB, beside that of the float32 model as it came: measured on samples, with the noise that comes with
   * its inputs. Not where the layer has other channels than it came with.
   */
  readonly sqnrDb?: number;
  /** What was predicted of it from the moments of the layer's inputs: by what pruning and rounding its own weights cost alone. */
  readonly predictedDb?: number;
  /** Bits of a weight: 8 (or 4, 3, 2) in int8, 32 in float32. */
  readonly weightBits: number;
  /** Weights of an output that share a factor of their scale, where they are in groups. */
  readonly groupSize?: number;
  /** The part of the weights that is 0. */
  readonly sparsity: number;
  /** Bytes of the weights before they are entropy coded, factors of groups included. */
  readonly weightBytes: number;
  /** Bytes of the weights in the .eqm; those that several layers share count for the first of them. */
  readonly fileBytes?: number;
  readonly macs: number;
  /** The relaxed build multiplies this layer by pairs; and adds the products of two of them up before it widens them. */
  readonly pairSafe?: true;
  readonly runSafe?: true;
  /** Variance that the weights' rounding adds to the layer's result, as a part of that: to the nearest, and as it is. */
  readonly rounding?: { readonly nearest: number; readonly now: number };
  /** Milliseconds on this machine, where `layerTimes` asks for them; see `times` of the report. */
  readonly ms?: { readonly float32?: number; readonly dense?: number; readonly now: number };
}

/** The report of one compilation. */
export interface Report {
  readonly model: string;
  readonly precision: "int8" | "float32";
  /** The model came quantized: its own scales are kept, and what it computes in float32 stays so. */
  readonly alreadyQuantized: boolean;
  readonly sourceBytes: number;
  readonly bytes: number;
  /** Bytes of constants in the file. */
  readonly weightBytes: number;
  /** Where each byte of a .eqm goes; null for an .onnx. */
  readonly file: FileParts | null;
  readonly memoryBytes: number;
  readonly macs: number;
  readonly calibration: { readonly samples: number; readonly synthetic: boolean; readonly observer: string } | null;
  /**
   * What was pruned: the part that was asked for, how, the layers with their zeros (`loss` is the variance that this costs the layer's result,
   * as a part of that), and the agreement of the finished model's outputs with those of the unpruned one in float32. Null where nothing was.
   */
  readonly pruning: {
    readonly fraction: number;
    readonly pattern: string;
    readonly criterion: string;
    readonly layers: readonly { readonly name: string; readonly weights: number; readonly zeros: number; readonly loss: number | null }[];
    /**
     * Of channels, a head of an attention being one: multiply-accumulates before and after, how many are kept of those that the same layers make, and
     * those that could not go, with the node, input or output that holds them.
     */
    readonly channels: {
      readonly macsBefore: number;
      readonly macsAfter: number;
      readonly families: readonly { readonly layers: readonly string[]; readonly channels: number; readonly kept: number }[];
      readonly held: readonly { readonly layers: readonly string[]; readonly channels: number; readonly heldBy: string }[];
    } | null;
    readonly outputs: readonly { readonly name: string; readonly sqnrDb: number; readonly maxAbs: number }[];
  } | null;
  /** Layers with a bias, those where correcting it helped, the SQNR of the worst output without and with, and which of both was taken. */
  readonly biasCorrection: {
    readonly layers: number;
    readonly corrected: number;
    readonly kept: boolean;
    readonly beforeDb: number;
    readonly afterDb: number;
  } | null;
  /**
   * Layers whose weights were rounded for what the results lose least by, rather than to the nearest; the SQNR of the outputs,
   * averaged over samples, with all weights rounded to the nearest, and as they are, before biases are corrected. Null where nothing else was tried.
   */
  readonly rounding: { readonly layers: number; readonly beforeDb: number; readonly afterDb: number } | null;
  /**
   * What mixed precision did: the goal, the part of all multiply-accumulates that stay in int8, the SQNR of the worst output without and with the
   * moves; nodes that are in float32 in any case, to save time, or because their results' range is so small a part of their operand's; and nodes that moved to float32 for the outputs' sake, each with
   * the SQNR that rounding its operands alone leaves the outputs.
   */
  readonly mixed: {
    readonly goalDb: number;
    readonly int8MacsShare: number;
    readonly beforeDb: number;
    readonly afterDb: number;
    readonly unsuited: readonly { readonly name: string; readonly op: string; readonly reason: "range" | "time" }[];
    readonly moved: readonly { readonly name: string; readonly op: string; readonly aloneDb: number }[];
  } | null;
  /**
   * Layers whose eight-bit weights could be pair-safe by their shape, those that are, and their part of all multiply-accumulates; of these those that
   * are run-safe, likewise.
   */
  readonly pairSafety: {
    readonly candidates: number;
    readonly layers: number;
    readonly macsShare: number;
    readonly runs: { readonly layers: number; readonly macsShare: number };
  } | null;
  /** Agreement with the float32 model on calibration samples. */
  readonly outputs: readonly { readonly name: string; readonly sqnrDb: number; readonly maxAbs: number }[];
  /** What was searched for and found, where there was a target or a greatest drop. */
  readonly budget: BudgetReport | null;
  readonly layers: readonly LayerReport[];
  /** What the file can run, the first sizes first: one plan without sizes unless several were asked for; `batch` is what a smaller one is filled up to. */
  readonly plans: readonly {
    readonly sizes: Readonly<Record<string, number>>;
    readonly batch: number | null;
    readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
    readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
    readonly steps: number;
  }[];
  /** What `stream` carries: outputs to inputs, as asked for or found by their names. */
  readonly states: readonly { readonly input: string; readonly output: string; readonly detected: boolean }[];
  readonly warnings: readonly string[];
  /** One inference on this machine, on the build that compiling uses: medians of a short run. */
  readonly latency: { readonly float32Ms: number; readonly int8Ms: number } | null;
  /**
   * Milliseconds of all steps on this machine, in the build that `load` would choose here: of the model in float32 as it came (null where it is that, or
   * came in int8), in int8 with no weight gone (null where none is), and as it is now. Null unless `layerTimes` asks for them.
   */
  readonly times: { readonly build: string; readonly float32: number | null; readonly dense: number | null; readonly now: number } | null;
  /** How many workers took part; 1: the caller's thread did all of it, and why where there were to be more. */
  readonly workers: { readonly count: number; readonly reason: string | null };
  /** Milliseconds by phase. */
  readonly timings: Readonly<Record<string, number>>;
}
