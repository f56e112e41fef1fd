/** What the two onnxruntime packages share: a session made from a path, fed and read as typed arrays. */

const ARRAY_DTYPES = new Map([
  [Float32Array, "float32"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
  [Int32Array, "int32"],
  [BigInt64Array, "int64"],
]);

/**
 * Opens a session. `ort` is the module object of the package `own`, which is "web" or "node".
 *
 * Both packages register a backend in onnxruntime-common. Loaded as one instance of it, the second package would silently run on the
 * first one's backend: that is refused here. Imported as ES module and as CommonJS they have an instance each.
 */
export async function openSession(ort, own, path, options) {
  const strangers = Object.keys(ort.env.versions).filter((name) => name !== "common" && name !== own);
  if (strangers.length > 0) throw new Error(`onnxruntime-${own} shares its registry with onnxruntime-${strangers.join(", ")}`);
  const session = await ort.InferenceSession.create(path, { ...options, graphOptimizationLevel: "all", logSeverityLevel: 3 });
  const inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, dtype: type, shape }));
  const tensors = new WeakMap();
  return {
    inputs,
    async run(feeds) {
      // The tensors are made once: the inputs of a benchmark do not change, and a caller can keep them too.
      if (!tensors.has(feeds)) tensors.set(feeds, tensorsOf(ort, inputs, feeds));
      const results = await session.run(tensors.get(feeds));
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.data]));
    },
    dispose: () => session.release(),
  };
}

function tensorsOf(ort, inputs, feeds) {
  return Object.fromEntries(
    inputs.map(({ name }) => [name, new ort.Tensor(ARRAY_DTYPES.get(feeds[name].constructor), feeds[name], feeds[name].shape)]),
  );
}
