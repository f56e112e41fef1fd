/** What the two onnxruntime packages share: a session made from a path, fed and read as typed arrays. */

const ARRAY_DTYPES = new Map([
  [Float32Array, "float32"],
  [Int8Array, "int8"],
  [Uint8Array, "uint8"],
  [Int32Array, "int32"],
  [BigInt64Array, "int64"],
]);

/** Opens a session on one thread of the CPU. `ort` is the package's own module object. */
export async function openSession(ort, path, options) {
  const session = await ort.InferenceSession.create(path, { ...options, graphOptimizationLevel: "all", logSeverityLevel: 3 });
  const inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, dtype: type, shape }));
  const tensors = new WeakMap();
  return {
    inputs,
    async run(feeds) {
      // The tensors are made once: the inputs of a benchmark do not change, and a caller can keep them too.
      let fed = tensors.get(feeds);
      if (fed === undefined) tensors.set(feeds, (fed = tensorsOf(ort, inputs, feeds)));
      const results = await session.run(fed);
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
