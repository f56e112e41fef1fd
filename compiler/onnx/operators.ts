/**
 * The operators of ONNX's default domain at opset 28: operands, results and attributes, from docs/Operators.md of onnx 1.22 and its development.
 *
 * A row reads `inputs>outputs attribute:kind …`: a letter for each operand, r(equired), o(ptional) or v(ariadic, the last, at least one);
 * kinds i f s t (one), I F S (a list), g(raph), x (sparse tensor), p (type); `!` where the attribute is required.
 */
import type { Attribute } from "../ir/graph.ts";
import { invalidModel } from "./errors.ts";

const ROWS: Readonly<Record<string, string>> = {
  Abs: "r>r",
  Acos: "r>r",
  Acosh: "r>r",
  Add: "rr>r",
  AffineGrid: "rr>r align_corners:i",
  And: "rr>r",
  ArgMax: "r>r axis:i keepdims:i select_last_index:i",
  ArgMin: "r>r axis:i keepdims:i select_last_index:i",
  Asin: "r>r",
  Asinh: "r>r",
  Atan: "r>r",
  Atanh: "r>r",
  Attention:
    "rrroooo>rooo is_causal:i kv_num_heads:i left_window_size:i q_num_heads:i qk_matmul_output_mode:i right_window_size:i scale:f softcap:f softmax_precision:i",
  AveragePool: "r>r auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I! pads:I strides:I",
  BatchNormalization: "rrrrr>roo epsilon:f momentum:f training_mode:i",
  Bernoulli: "r>r dtype:i seed:f",
  BitCast: "r>r to:i!",
  BitShift: "rr>r direction:s!",
  BitwiseAnd: "rr>r",
  BitwiseNot: "r>r",
  BitwiseOr: "rr>r",
  BitwiseXor: "rr>r",
  BlackmanWindow: "r>r output_datatype:i periodic:i",
  Cast: "r>r round_mode:s saturate:i to:i!",
  CastLike: "rr>r round_mode:s saturate:i",
  CausalConvWithState: "rroo>rr activation:s",
  Ceil: "r>r",
  Celu: "r>r alpha:f",
  CenterCropPad: "rr>r axes:I",
  Clip: "roo>r",
  Col2Im: "rrr>r dilations:I pads:I strides:I",
  Compress: "rr>r axis:i",
  Concat: "v>r axis:i!",
  ConcatFromSequence: "r>r axis:i! new_axis:i",
  Constant: ">r sparse_value:x value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s value_strings:S",
  ConstantOfShape: "r>r value:t",
  Conv: "rro>r auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
  ConvInteger: "rroo>r auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
  ConvTranspose: "rro>r auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I",
  Cos: "r>r",
  Cosh: "r>r",
  CumProd: "rr>r exclusive:i reverse:i",
  CumSum: "rr>r exclusive:i reverse:i",
  DFT: "roo>r inverse:i onesided:i",
  DeformConv: "rrroo>r dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I",
  DepthToSpace: "r>r blocksize:i! mode:s",
  DequantizeLinear: "rro>r axis:i block_size:i output_dtype:i",
  Det: "r>r",
  Div: "rr>r",
  Dropout: "roo>ro seed:i",
  DynamicQuantizeLinear: "r>rrr",
  Einsum: "v>r equation:s!",
  Elu: "r>r alpha:f",
  Equal: "rr>r",
  Erf: "r>r",
  Exp: "r>r",
  Expand: "rr>r",
  EyeLike: "r>r dtype:i k:i",
  Flatten: "r>r axis:i",
  Floor: "r>r",
  GRU: "rrrooo>oo activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i linear_before_reset:i",
  Gather: "rr>r axis:i",
  GatherElements: "rr>r axis:i",
  GatherND: "rr>r batch_dims:i",
  Gelu: "r>r approximate:s",
  Gemm: "rro>r alpha:f beta:f transA:i transB:i",
  GlobalAveragePool: "r>r",
  GlobalLpPool: "r>r p:i",
  GlobalMaxPool: "r>r",
  Greater: "rr>r",
  GreaterOrEqual: "rr>r",
  GridSample: "rr>r align_corners:i mode:s padding_mode:s",
  GroupNormalization: "rrr>r epsilon:f num_groups:i! stash_type:i",
  HammingWindow: "r>r output_datatype:i periodic:i",
  HannWindow: "r>r output_datatype:i periodic:i",
  HardSigmoid: "r>r alpha:f beta:f",
  HardSwish: "r>r",
  Hardmax: "r>r axis:i",
  Identity: "r>r",
  If: "r>v else_branch:g! then_branch:g!",
  ImageDecoder: "r>r pixel_format:s",
  InstanceNormalization: "rrr>r epsilon:f",
  IsInf: "r>r detect_negative:i detect_positive:i",
  IsNaN: "r>r",
  LRN: "r>r alpha:f beta:f bias:f size:i!",
  LSTM: "rrrooooo>ooo activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i layout:i",
  LayerNormalization: "rro>roo axis:i epsilon:f stash_type:i",
  LeakyRelu: "r>r alpha:f",
  Less: "rr>r",
  LessOrEqual: "rr>r",
  LinearAttention: "rrrooo>rr chunk_size:i kv_num_heads:i! q_num_heads:i! scale:f update_rule:s",
  Log: "r>r",
  LogSoftmax: "r>r axis:i",
  Loop: "oov>v body:g!",
  LpNormalization: "r>r axis:i p:i",
  LpPool: "r>r auto_pad:s ceil_mode:i dilations:I kernel_shape:I! p:i pads:I strides:I",
  MatMul: "rr>r",
  MatMulInteger: "rroo>r",
  Max: "v>r",
  MaxPool: "r>ro auto_pad:s ceil_mode:i dilations:I kernel_shape:I! pads:I storage_order:i strides:I",
  MaxRoiPool: "rr>r pooled_shape:I! spatial_scale:f",
  MaxUnpool: "rro>r kernel_shape:I! pads:I strides:I",
  Mean: "v>r",
  MeanVarianceNormalization: "r>r axes:I",
  MelWeightMatrix: "rrrrr>r output_datatype:i",
  Min: "v>r",
  Mish: "r>r",
  Mod: "rr>r fmod:i",
  Mul: "rr>r",
  Multinomial: "r>r dtype:i sample_size:i seed:f",
  Neg: "r>r",
  NegativeLogLikelihoodLoss: "rro>r ignore_index:i reduction:s",
  NonMaxSuppression: "rrooo>r center_point_box:i",
  NonZero: "r>r",
  Not: "r>r",
  OneHot: "rrr>r axis:i",
  Optional: "o>r type:p",
  OptionalGetElement: "r>r",
  OptionalHasElement: "o>r",
  Or: "rr>r",
  PRelu: "rr>r",
  Pad: "rroo>r mode:s",
  Pow: "rr>r",
  QLinearConv: "rrrrrrrro>r auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
  QLinearMatMul: "rrrrrrrr>r",
  QuantizeLinear: "rro>r axis:i block_size:i output_dtype:i precision:i saturate:i",
  RMSNormalization: "rr>r axis:i epsilon:f stash_type:i",
  RNN: "rrrooo>oo activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i",
  RandomNormal: ">r dtype:i mean:f scale:f seed:f shape:I!",
  RandomNormalLike: "r>r dtype:i mean:f scale:f seed:f",
  RandomUniform: ">r dtype:i high:f low:f seed:f shape:I!",
  RandomUniformLike: "r>r dtype:i high:f low:f seed:f",
  Range: "rrr>r",
  Reciprocal: "r>r",
  ReduceL1: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceL2: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceLogSum: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceLogSumExp: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceMax: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceMean: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceMin: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceProd: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceSum: "ro>r keepdims:i noop_with_empty_axes:i",
  ReduceSumSquare: "ro>r keepdims:i noop_with_empty_axes:i",
  RegexFullMatch: "r>r pattern:s",
  Relu: "r>r",
  Reshape: "rr>r allowzero:i",
  Resize:
    "rooo>r antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s",
  ReverseSequence: "rr>r batch_axis:i time_axis:i",
  RoiAlign: "rrr>r coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f",
  RotaryEmbedding: "rrro>r interleaved:i num_heads:i rotary_embedding_dim:i",
  Round: "r>r",
  STFT: "rroo>r onesided:i",
  Scan: "v>v body:g! num_scan_inputs:i! scan_input_axes:I scan_input_directions:I scan_output_axes:I scan_output_directions:I",
  ScatterElements: "rrr>r axis:i reduction:s",
  ScatterND: "rrr>r reduction:s",
  Selu: "r>r alpha:f gamma:f",
  SequenceAt: "rr>r",
  SequenceConstruct: "v>r",
  SequenceEmpty: ">r dtype:i",
  SequenceErase: "ro>r",
  SequenceInsert: "rro>r",
  SequenceLength: "r>r",
  SequenceMap: "rv>v body:g!",
  Shape: "r>r end:i start:i",
  Shrink: "r>r bias:f lambd:f",
  Sigmoid: "r>r",
  Sign: "r>r",
  Sin: "r>r",
  Sinh: "r>r",
  Size: "r>r",
  Slice: "rrroo>r",
  Softmax: "r>r axis:i",
  SoftmaxCrossEntropyLoss: "rro>ro ignore_index:i reduction:s",
  Softplus: "r>r",
  Softsign: "r>r",
  SpaceToDepth: "r>r blocksize:i!",
  Split: "ro>v axis:i num_outputs:i",
  SplitToSequence: "ro>r axis:i keepdims:i",
  Sqrt: "r>r",
  Squeeze: "ro>r",
  StringConcat: "rr>r",
  StringNormalizer: "r>r case_change_action:s is_case_sensitive:i locale:s stopwords:S",
  StringSplit: "r>rr delimiter:s maxsplit:i",
  Sub: "rr>r",
  Sum: "v>r",
  SwiGLU: "rr>r alpha:f",
  Swish: "r>r alpha:f",
  Tan: "r>r",
  Tanh: "r>r",
  TensorScatter: "rro>r axis:i mode:s",
  TfIdfVectorizer:
    "r>r max_gram_length:i! max_skip_count:i! min_gram_length:i! mode:s! ngram_counts:I! ngram_indexes:I! pool_int64s:I pool_strings:S weights:F",
  ThresholdedRelu: "r>r alpha:f",
  Tile: "rr>r",
  TopK: "rr>rr axis:i largest:i sorted:i",
  Transpose: "r>r perm:I",
  Trilu: "ro>r upper:i",
  Unique: "r>rooo axis:i sorted:i",
  Unsqueeze: "rr>r",
  Where: "rrr>r",
  Xor: "rr>r",
};

/** Kind of an attribute, as in the table's rows. */
export type AttributeKind = "i" | "f" | "s" | "t" | "I" | "F" | "S" | "g" | "x" | "p";

/** What ONNX says of an operator's form. */
export interface Signature {
  /** r, o or v for each operand. */
  readonly inputs: string;
  readonly outputs: string;
  readonly attributes: ReadonlyMap<string, { readonly kind: AttributeKind; readonly required: boolean }>;
}

const parsed = new Map<string, Signature>();

/** The signature of an operator of the default domain, or null where opset 28 has none of that name. */
export function signature(op: string): Signature | null {
  const known = parsed.get(op);
  if (known) return known;
  const row = Object.hasOwn(ROWS, op) ? ROWS[op]! : null;
  if (row === null) return null;
  const [operands, ...attributes] = row.split(" ");
  const [inputs, outputs] = operands!.split(">");
  const made: Signature = {
    inputs: inputs!,
    outputs: outputs!,
    attributes: new Map(
      attributes.map((attribute) => {
        const [name, kind] = attribute.split(":");
        return [name!, { kind: kind![0] as AttributeKind, required: kind!.endsWith("!") }];
      }),
    ),
  };
  parsed.set(op, made);
  return made;
}

/** Number of outputs that an operator always has; further ones may be left out. */
export function requiredOutputs(op: string): number {
  const form = signature(op);
  if (!form || form.outputs.includes("v")) return Number.POSITIVE_INFINITY;
  return Math.max(1, form.outputs.lastIndexOf("r") + 1);
}

/** What `checkForm` looks at. */
export interface Form {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly unknown[];
  readonly outputs: readonly unknown[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

const KIND_NAMES: Readonly<Record<AttributeKind, string>> = {
  i: "an INT",
  f: "a FLOAT",
  s: "a STRING",
  t: "a TENSOR",
  I: "INTS",
  F: "FLOATS",
  S: "STRINGS",
  g: "a GRAPH",
  x: "a SPARSE_TENSOR",
  p: "a TYPE_PROTO",
};

/** Throws `invalid-model` where a node in the newest form lacks an operand or attribute, or has one too many or of another kind. */
export function checkForm(node: Form): void {
  const form = signature(node.op);
  if (!form) return;
  const where = `${node.op} "${node.name}"`;
  checkOperands(where, "input", form.inputs, node.inputs);
  checkOperands(where, "output", form.outputs, node.outputs);
  for (const name of Object.keys(node.attributes)) {
    if (!form.attributes.has(name))
      throw invalidModel(`${where} has the attribute ${name}, which ONNX does not know`, { node: node.name, attribute: name });
  }
  for (const [name, { kind, required }] of form.attributes) {
    const value = node.attributes[name];
    if (value === undefined) {
      if (required) throw invalidModel(`${where} lacks the attribute ${name}`, { node: node.name, attribute: name });
    } else if (!isKind(value, kind)) {
      throw invalidModel(`the attribute ${name} of ${where} must be ${KIND_NAMES[kind]}`, { node: node.name, attribute: name });
    }
  }
}

function checkOperands(where: string, what: string, pattern: string, operands: readonly unknown[]): void {
  const variadic = pattern.endsWith("v");
  const needed = variadic ? pattern.length : pattern.lastIndexOf("r") + 1;
  if (operands.length < needed || (operands.length > pattern.length && !variadic)) {
    throw invalidModel(
      `${where} has ${operands.length} ${what}s, ONNX says ${needed}${variadic ? " or more" : pattern.length > needed ? ` to ${pattern.length}` : ""}`,
    );
  }
  operands.forEach((operand, i) => {
    const letter = pattern[i] ?? "v";
    if (operand === null && letter !== "o") throw invalidModel(`${where} lacks its ${what} ${i}`);
  });
}

function isKind(value: Attribute, kind: AttributeKind): boolean {
  switch (kind) {
    case "i":
      return Number.isInteger(value);
    case "f":
      return typeof value === "number";
    case "s":
      return typeof value === "string";
    case "I":
      return Array.isArray(value) && value.every((v) => Number.isInteger(v));
    case "F":
      return Array.isArray(value) && value.every((v) => typeof v === "number");
    case "S":
      return Array.isArray(value) && value.every((v) => typeof v === "string");
    case "t":
      return typeof value === "object" && !Array.isArray(value);
    case "g":
    case "x":
    case "p":
      return false;
  }
}
