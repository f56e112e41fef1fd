/** What compiling found out, as plain JSON. */

/** One layer: a step of the plan with weights, or a group of steps of one node. */
export interface LayerReport {
  readonly name: string;
  readonly op: string;
  /** ONNX nodes that became this layer. */
  readonly sources: readonly string[];
  readonly precision: "int8" | "float32";
  /** Signal to noise of the layer's int8 result against the float32 model, where it was measured. */
  readonly sqnrDb?: number;
  /** Bits of a weight: 8 (or 4, 3, 2) in int8, 32 in float32. */
  readonly weightBits: number;
  /** Bytes of the weights before they are entropy coded. */
  readonly weightBytes: number;
  readonly macs: number;
}

/** The report of one compilation. */
export interface Report {
  readonly model: string;
  readonly precision: "int8" | "float32";
  readonly sourceBytes: number;
  readonly bytes: number;
  /** Bytes of constants in the file. */
  readonly weightBytes: number;
  readonly memoryBytes: number;
  readonly macs: number;
  readonly calibration: { readonly samples: number; readonly synthetic: boolean; readonly observer: string } | null;
  /** Layers with a bias, those where correcting it helped, the SQNR of the worst output without and with, and which of both was taken. */
  readonly biasCorrection: {
    readonly layers: number;
    readonly corrected: number;
    readonly kept: boolean;
    readonly beforeDb: number;
    readonly afterDb: number;
  } | null;
  /** Where it was asked for: layers whose weights could be pair-safe, how many are, and the SQNR of the worst output without and with that. */
  readonly pairSafety?: { readonly candidates: number; readonly layers: number; readonly beforeDb: number; readonly afterDb: number };
  /** Agreement with the float32 model on calibration samples. */
  readonly outputs: readonly { readonly name: string; readonly sqnrDb: number; readonly maxAbs: number }[];
  readonly layers: readonly LayerReport[];
  readonly warnings: readonly string[];
  /** One inference on this machine, on the build that compiling uses: medians of a short run. */
  readonly latency: { readonly float32Ms: number; readonly int8Ms: number } | null;
  /** Milliseconds by phase. */
  readonly timings: Readonly<Record<string, number>>;
}
