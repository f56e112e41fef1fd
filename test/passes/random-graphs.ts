/**
 * Small random networks in text form, of the nodes that the passes know: awkward on purpose. Operands of biases and factors come in
 * every shape that broadcasts, before and behind; values are read twice and made outputs; weights are shared.
 */
import { randomNumbers } from "./evaluation.ts";

/** The text of the network that belongs to `seed`. */
export function randomNetwork(seed: number): string {
  const next = randomNumbers(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!;
  const chance = (p: number): boolean => next() < p;
  const spatial = pick([1, 2]);
  const lines: string[] = [];
  const values: string[] = [];
  let count = 0;
  let current = "x";
  // The channels and what is left of each spatial axis are all that the text needs to know.
  let channels = pick([1, 2, 4]);
  let size = pick([6, 7, 9]);
  const batch = pick([1, 2]);
  let isFlat = false;
  let columns = 0;
  const shape = (): number[] => (isFlat ? [batch, columns] : [batch, channels, ...Array.from({ length: spatial }, () => size)]);
  lines.push(`input x float32[${shape()}]`);
  const emit = (call: string): void => {
    const name = `v${count++}`;
    lines.push(`%${name} ? = ${call}`);
    values.push(name);
    current = name;
  };
  const constant = (dims: readonly number[], kind = "k"): string => `<${kind}${count}${lines.length} float32[${dims}]>`;
  const broadcast = (): string => {
    const width = isFlat ? columns : channels;
    const tail = isFlat ? [] : Array.from({ length: spatial }, () => 1);
    const dims = pick([
      [],
      [1],
      [width, ...tail],
      [1, width, ...tail],
      isFlat ? [batch, columns] : shape().slice(1),
      isFlat ? [batch, 1] : [size],
    ]);
    return dims.length === 0 ? `{${pick([0, 1, 3, -2, 0.5])}}float32[]` : constant(dims);
  };
  const ordered = (op: string, other: string): string => (chance(0.5) ? `${op}(%${current}, ${other})` : `${op}(${other}, %${current})`);
  const window = (): { readonly text: string; readonly size: number; readonly kernel: number } => {
    const kernel = pick([1, 2, 3]);
    const [begin, end] = pick([
      [0, 0],
      [0, 0],
      [kernel >> 1, 0],
      [kernel >> 1, kernel >> 1],
    ]) as readonly [number, number];
    const stride = pick([1, 1, 2]);
    const out = Math.floor((size + begin + end - kernel) / stride) + 1;
    const axes = Array.from({ length: spatial });
    const auto = chance(0.2) ? pick(["SAME_UPPER", "SAME_LOWER", "VALID"]) : null;
    const strides = `strides=[${axes.map(() => stride)}]`;
    if (auto)
      return {
        text: `auto_pad="${auto}" ${strides}`,
        size: auto === "VALID" ? Math.ceil((size - kernel + 1) / stride) : Math.ceil(size / stride),
        kernel,
      };
    return { text: `pads=[${[...axes.map(() => begin), ...axes.map(() => end)]}] ${strides}`, size: out, kernel };
  };

  const image: readonly (() => void)[] = [
    () => {
      const { text, size: out, kernel } = window();
      if (out < 1 || kernel > size) return;
      const group = pick([1, 1, channels]);
      const outputs = group === 1 ? pick([1, 2, 4]) : group * pick([1, 2]);
      const bias = chance(0.5) ? `, ${constant([outputs], "bias")}` : "";
      emit(
        `Conv(%${current}, ${constant([outputs, channels / group, ...Array.from({ length: spatial }, () => kernel)], "w")}${bias}) group=${group} ${text}`,
      );
      channels = outputs;
      size = out;
    },
    () => {
      const [begin, end] = [pick([0, 1, 2]), pick([0, 1])];
      const axes = Array.from({ length: spatial });
      emit(
        `Pad(%${current}, {${[0, 0, ...axes.map(() => begin), 0, 0, ...axes.map(() => end)]}}int64[${2 * (spatial + 2)}], {${pick([0, 0, 0, 1])}}float32[])`,
      );
      size += begin + end;
    },
    () => {
      const { text, size: out, kernel } = window();
      if (out < 1 || kernel > size || kernel === 1) return;
      const count_include_pad = pick([0, 1]);
      const attributes = `kernel_shape=[${Array.from({ length: spatial }, () => kernel)}] ${text}`;
      emit(
        chance(0.5)
          ? `MaxPool(%${current}) ${attributes}`
          : `AveragePool(%${current}) ${attributes} count_include_pad=${count_include_pad}`,
      );
      size = out;
    },
    () => {
      const row = [channels];
      emit(
        `BatchNormalization(%${current}, ${constant(row, "gamma")}, ${constant(row, "beta")}, ${constant(row, "mean")}, ${constant(row, "var")})`,
      );
    },
    () => {
      columns = channels * size ** spatial;
      isFlat = true;
      emit(chance(0.5) ? `Flatten(%${current})` : `Reshape(%${current}, {${batch},-1}int64[2])`);
    },
    () => {
      const perm = [0, ...Array.from({ length: spatial }, (_, i) => i + 2), 1];
      const inverse = perm.map((_, i) => perm.indexOf(i));
      emit(`Transpose(%${current}) perm=[${perm}]`);
      emit(`Relu(%${current})`);
      emit(`Transpose(%${current}) perm=[${inverse}]`);
    },
  ];
  const flat: readonly (() => void)[] = [
    () => {
      const outputs = pick([1, 2, 3]);
      const bias = pick(["", `, ${constant([outputs])}`, `, ${constant([1, outputs])}`, `, ${constant([batch, 1])}`, `, {0.5}float32[]`]);
      const [alpha, beta] = [pick([1, 1, 0.5]), pick([1, 1, 2])];
      const isTransposed = pick([0, 1]);
      emit(
        `Gemm(%${current}, ${constant(isTransposed ? [outputs, columns] : [columns, outputs], "w")}${bias}) transB=${isTransposed} alpha=${alpha} beta=${beta}`,
      );
      columns = outputs;
    },
    () => {
      const outputs = pick([1, 2, 3]);
      emit(`MatMul(%${current}, ${constant([columns, outputs], "w")})`);
      columns = outputs;
    },
  ];
  const either: readonly (() => void)[] = [
    () => emit(ordered(pick(["Add", "Mul"]), broadcast())),
    () => emit(ordered("Sub", broadcast())),
    () => emit(`Div(%${current}, {${pick([2, 6, -0.5])}}float32[])`),
    () => emit(`Relu(%${current})`),
    () => emit(`Clip(%${current}, {${pick([-1, 0, 2])}}float32[], {${pick([1, 6])}}float32[])`),
    () => emit(`${pick(["Identity", "Dropout", "Sigmoid", "HardSwish", "Tanh"])}(%${current})`),
    () => {
      const x = current;
      emit(`Sigmoid(%${x})`);
      emit(chance(0.5) ? `Mul(%${x}, %${current})` : `Mul(%${current}, %${x})`);
    },
    () => {
      const x = current;
      emit(ordered("Add", "{3}float32[]"));
      emit(`Clip(%${current}, {0}float32[], {6}float32[])`);
      emit(`Div(%${current}, {6}float32[])`);
      if (chance(0.7)) emit(ordered("Mul", `%${x}`));
    },
    () => {
      const x = current;
      emit(`Relu(%${x})`);
      emit(ordered("Add", `%${x}`));
    },
    () => {
      emit(`Unsqueeze(%${current}, {0}int64[1])`);
      emit(`Squeeze(%${current}, {0}int64[1])`);
    },
  ];
  const length = 4 + Math.floor(next() * 8);
  for (let i = 0; i < length; i++) pick(chance(0.5) ? either : isFlat ? flat : image)();
  if (values.length === 0) emit(`Relu(%${current})`);
  const outputs = [...new Set([current, ...values.filter(() => chance(0.07))])];
  lines.push(`output ${outputs.map((name) => `%${name}`).join(", ")}`);
  return `${lines.join("\n")}\n`;
}
