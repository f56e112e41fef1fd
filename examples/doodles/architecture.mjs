/**
 * The network, as one list of layers that the trainer runs and the exporter writes.
 *
 *   image 32×32×3
 *   stem      conv 3×3, 16                                        32×32×16
 *   down1     depthwise 3×3 stride 2, conv 1×1, 24                16×16×24
 *   residual  conv 3×3, conv 3×3, Add                             16×16×24
 *   down2     depthwise 3×3 stride 2, conv 1×1, 64                 8×8×64
 *   inverted1 conv 1×1 to 192, depthwise 3×3, conv 1×1, Add        8×8×64
 *   down3     depthwise 3×3 stride 2, conv 1×1, 128                4×4×128
 *   inverted2 conv 1×1 to 256, depthwise 3×3, conv 1×1, Add        4×4×128
 *   average   over the image, then dense to the classes
 *
 * Every convolution is without bias and followed by BatchNorm; Relu in the first half, Relu6 in the second, nothing before an Add.
 */

/**
 * @typedef {object} Layer
 * @property {"convolution" | "depthwise" | "batchNorm" | "clamp" | "add" | "average" | "dense"} kind
 * @property {string} name
 * @property {readonly string[]} inputs names of layers, or "image"
 * @property {number} [channels] of the output, of convolution and dense
 * @property {1 | 3} [window] of convolution
 * @property {1 | 2} [stride] of convolution and depthwise
 * @property {number} [ceiling] of clamp: Infinity or 6
 */

/**
 * @param {number} classes
 * @returns {readonly Layer[]} each after its inputs; the last one gives the logits
 */
export function architecture(classes) {
  /** @type {Layer[]} */
  const layers = [];
  let last = "image";

  /** @param {Omit<Layer, "inputs">} layer @param {string} [second] */
  const append = (layer, second) => {
    layers.push({ ...layer, inputs: second === undefined ? [last] : [last, second] });
    last = layer.name;
  };

  /** @param {string} name @param {number | undefined} ceiling none where undefined */
  const finish = (name, ceiling) => {
    append({ kind: "batchNorm", name: `${name}/norm` });
    if (ceiling !== undefined) append({ kind: "clamp", name: `${name}/clamp`, ceiling });
  };

  /** @param {string} name @param {1 | 3} window @param {number} channels @param {number} [ceiling] */
  const convolution = (name, window, channels, ceiling) => {
    append({ kind: "convolution", name, window, channels, stride: 1 });
    finish(name, ceiling);
  };

  /** @param {string} name @param {1 | 2} stride @param {number} ceiling */
  const depthwise = (name, stride, ceiling) => {
    append({ kind: "depthwise", name, stride });
    finish(name, ceiling);
  };

  /** @param {string} name @param {number} inner @param {number} outer */
  const inverted = (name, inner, outer) => {
    const skip = last;
    convolution(`${name}/expand`, 1, inner, 6);
    depthwise(`${name}/depthwise`, 1, 6);
    convolution(`${name}/project`, 1, outer);
    append({ kind: "add", name: `${name}/add` }, skip);
  };

  convolution("stem", 3, 16, Infinity);
  depthwise("down1/depthwise", 2, Infinity);
  convolution("down1/pointwise", 1, 24, Infinity);
  const skip = last;
  convolution("residual/first", 3, 24, Infinity);
  convolution("residual/second", 3, 24);
  append({ kind: "add", name: "residual/add" }, skip);
  append({ kind: "clamp", name: "residual/clamp", ceiling: Infinity });
  depthwise("down2/depthwise", 2, Infinity);
  convolution("down2/pointwise", 1, 64, 6);
  inverted("inverted1", 192, 64);
  depthwise("down3/depthwise", 2, 6);
  convolution("down3/pointwise", 1, 128, 6);
  inverted("inverted2", 256, 128);
  append({ kind: "average", name: "average" });
  append({ kind: "dense", name: "dense", channels: classes });
  return layers;
}
