/**
 * LiteRT.js in a page, on its WebAssembly backend (XNNPACK) with one thread.
 *
 * Images are put channels last before the clock starts. A .tflite whose inputs are int8 is fed with values that are quantized before it, too,
 * and outputs in int8 are left quantized, while eqm takes and gives channels first and float32: where that makes a difference, it is in
 * this peer's favour.
 */

/** Arrays of the types that a .tflite takes and gives. */
const ARRAYS = { int8: Int8Array, uint8: Uint8Array, float32: Float32Array, int32: Int32Array };

let started;

/**
 * @param {{ bundle: string, wasm: string, model: string }} files URLs of the bundled package, of a file in its folder wasm/, and of the .tflite
 * @param {{ inputs: Port[], outputs: Port[] }} ports the .tflite's own, each `{ name, type, shape, scale, zero_point }`
 */
export async function load({ bundle, wasm, model }, { ports }) {
  const { loadLiteRt, loadAndCompile, Tensor } = await import(bundle);
  // Once in a page, whatever runs on it.
  started ??= loadLiteRt(new URL(".", wasm).href);
  await started;
  const compiled = await loadAndCompile(model, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const tensors = new WeakMap();
  return {
    inputs: [],
    async run(feeds) {
      // The tensors are made once: the inputs of a benchmark do not change, and a caller can keep them too.
      if (!tensors.has(feeds)) tensors.set(feeds, tensorsOf(Tensor, ports.inputs, feeds));
      const outputs = await compiled.run(tensors.get(feeds));
      return Object.fromEntries(
        outputs.map((tensor, at) => {
          const data = tensor.toTypedArray();
          tensor.delete();
          return [String(at), data];
        }),
      );
    },
    decode: (outputs) => Object.fromEntries(ports.outputs.map((port, at) => [port.name, dequantize(outputs[at], port)])),
    dispose: () => compiled.delete(),
  };
}

function tensorsOf(Tensor, ports, feeds) {
  const values = Object.values(feeds);
  if (values.length !== ports.length) throw new Error(`the .tflite has ${ports.length} inputs, the .onnx ${values.length}`);
  return ports.map((port, at) => new Tensor(quantize(channelsLast(values[at], port), port), port.shape));
}

function channelsLast(data, { shape }) {
  const from = data.shape;
  if (from.join() === shape.join()) return data;
  const [n, c, h, w] = from;
  if (from.length !== 4 || [n, h, w, c].join() !== shape.join()) throw new Error(`an input of [${from}] does not fit [${shape}]`);
  const pixels = h * w;
  return data.constructor.from(data, (_, to) => {
    const [image, within] = [Math.floor(to / (c * pixels)), to % (c * pixels)];
    return data[image * c * pixels + (within % c) * pixels + Math.floor(within / c)];
  });
}

function quantize(data, { type, scale, zero_point: zero }) {
  if (type === "float32" || type === "int32") return ARRAYS[type].from(data, Number);
  const low = type === "int8" ? -128 : 0;
  return ARRAYS[type].from(data, (value) => Math.min(low + 255, Math.max(low, Math.round(value / scale[0]) + zero[0])));
}

function dequantize(data, { type, scale, zero_point: zero }) {
  return type === "float32" ? data : Float32Array.from(data, (value) => (value - zero[0]) * scale[0]);
}
