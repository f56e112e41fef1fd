/** Streams: states that go from run to run. */
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { load, type Tensor } from "../../host/index.ts";
import { floatTensor, model, node, value } from "../support/onnx-model.ts";

/** total = state + x; y = 2·total: a running sum. */
function runningSum(names: { readonly state: string; readonly next: string } = { state: "state", next: "stateN" }): Uint8Array {
  return model({
    inputs: [value("x", ["N", 2]), value(names.state, ["N", 2])],
    outputs: ["y", names.next],
    initializers: [floatTensor("two", [], [2])],
    nodes: [node("Add", [names.state, "x"], [names.next]), node("Mul", [names.next, "two"], ["y"])],
  });
}

const floats = (...values: number[]): Float32Array => Float32Array.from(values);

async function compiled(onnx: Uint8Array, options: Parameters<typeof compile>[1] = {}) {
  return compile(onnx, { precision: "float32", ...options });
}

describe("a stream", () => {
  it("carries states from run to run, each stream its own", async () => {
    const { bytes, report } = await compiled(runningSum());
    expect(report.states).toEqual([{ input: "state", output: "stateN", detected: true }]);
    using loaded = await load(bytes);
    const [a, b] = [loaded.stream(), loaded.stream({ state: floats(10, 20) })];
    expect(a.states).toEqual({});
    expect({ ...a.run({ x: floats(1, 2) }) }).toEqual({ y: floats(2, 4) });
    expect({ ...b.run({ x: floats(1, 2) }) }).toEqual({ y: floats(22, 44) });
    expect({ ...a.run({ x: floats(1, 2) }) }).toEqual({ y: floats(4, 8) });
    expect({ ...b.run({ x: floats(0, 0) }) }).toEqual({ y: floats(22, 44) });
    expect({ ...a.states }).toEqual({ state: floats(2, 4) });
    a.reset();
    expect({ ...a.run({ x: floats(1, 2) }) }).toEqual({ y: floats(2, 4) });
    a.reset({ state: floats(5, 5) });
    expect({ ...a.run({ x: floats(1, 2) }) }).toEqual({ y: floats(12, 14) });
    // The model itself runs as ever.
    expect({ ...loaded.run({ x: floats(1, 1), state: floats(1, 1) }) }).toEqual({ y: floats(4, 4), stateN: floats(2, 2) });
  });

  it("is not disturbed by what becomes of the caller's arrays", async () => {
    using loaded = await load((await compiled(runningSum())).bytes);
    const given = floats(1, 1);
    const stream = loaded.stream({ state: given });
    given.fill(100);
    const { states } = stream;
    (states["state"] as Float32Array).fill(100);
    const y = stream.run({ x: floats(1, 1) })["y"] as Float32Array;
    expect(y).toEqual(floats(4, 4));
    y.fill(100);
    (stream.states["state"] as Float32Array).fill(100);
    expect(stream.run({ x: floats(1, 1) })["y"]).toEqual(floats(6, 6));
  });

  it("keeps its states where a run fails", async () => {
    using loaded = await load((await compiled(runningSum())).bytes);
    const stream = loaded.stream();
    stream.run({ x: floats(1, 1) });
    expect(() => stream.run({ x: floats(1) })).toThrow("takes 2 elements, got 1");
    expect(() => stream.run({})).toThrow('The input "x" is missing.');
    expect(stream.run({ x: floats(1, 1) })["y"]).toEqual(floats(4, 4));
  });

  it("refuses states where they do not belong", async () => {
    using loaded = await load((await compiled(runningSum())).bytes);
    const stream = loaded.stream();
    const state = floats(0, 0);
    expect(() => stream.run({ x: state, state })).toThrow('The input "state" is carried by the stream: set it with reset');
    expect(() => stream.run({ x: state }, { outputs: { stateN: state } })).toThrow('The output "stateN" is carried by the stream');
    expect(() => loaded.stream({ x: state })).toThrow('"x" is no state of the model; it has "state".');
    expect(() => stream.reset({ y: state })).toThrow('"y" is no state of the model; it has "state".');
    expect(() => loaded.stream({ state: floats(1) }).run({ x: state })).toThrow(
      'The input "state" of shape [1,2] takes 2 elements, got 1.',
    );
  });

  it("has the plan, and the part of a batch, of its first run", async () => {
    using loaded = await load((await compiled(runningSum(), { shapes: { N: [1, 4] } })).bytes);
    const stream = loaded.stream();
    const x: Tensor = { dtype: "float32", shape: [3, 2], data: floats(1, 2, 3, 4, 5, 6) };
    expect(stream.run({ x })["y"]).toEqual(floats(2, 4, 6, 8, 10, 12));
    expect(stream.run({ x })["y"]).toEqual(floats(4, 8, 12, 16, 20, 24));
    expect(() => stream.run({ x: floats(1, 2) })).toThrow("The model has no plan for x of 2 elements, state [3,2]");
    stream.reset();
    expect(stream.run({ x: floats(1, 2) })["y"]).toEqual(floats(2, 4));
  });

  it("needs a model with states", async () => {
    const { bytes, report } = await compiled(runningSum(), { state: {} });
    expect(report.states).toEqual([]);
    using loaded = await load(bytes);
    expect(() => loaded.stream()).toThrow("The model carries no states: compile it with --state OUTPUT=INPUT for each");
  });
});

describe("states are found by their names", () => {
  it.each([
    ["state", "stateN"],
    ["h0", "hn"],
    ["h_0", "h_n"],
    ["h", "h_out"],
    ["h0", "h0_out"],
    ["c0", "cy"],
    ["in_state", "out_state"],
    ["hidden_in", "hidden_out"],
    ["prevState", "newState"],
    ["past.0.key", "present.0.key"],
    ["past_key_values.0.value", "present.0.value"],
    ["cache", "cache_next"],
  ])("%s and %s", async (state, next) => {
    const { report } = await compiled(runningSum({ state, next }));
    expect(report.states).toEqual([{ input: state, output: next, detected: true }]);
  });

  it.each([
    ["image", "image_out"],
    ["input_3", "Identity_1"],
    ["state_a", "state_b_out"],
  ])("but not %s and %s", async (state, next) => {
    const { report } = await compiled(runningSum({ state, next }));
    expect(report.states).toEqual([]);
  });

  it("and only where type and shape are the same", async () => {
    const growing = model({
      inputs: [value("x", [1, 2]), value("past", [1, 2])],
      outputs: ["present"],
      nodes: [node("Concat", ["past", "x"], ["present"], { axis: { type: 2, i: 0 } })],
    });
    expect((await compiled(growing)).report.states).toEqual([]);
    await expect(compiled(growing, { state: { present: "past" } })).rejects.toThrow(
      "The state present=past: the output is float32[2,2], the input float32[1,2]; a state has one type.",
    );
  });
});

it.each([
  [{ stateN: "x2" }, 'The state stateN=x2: the model has no input "x2"; it has "x", "state".'],
  [{ z: "state" }, 'The state z=state: the model has no output "z"; it has "y", "stateN".'],
  [{ stateN: "state", y: "state" }, 'The state stateN=state: the input "state" is given twice.'],
  [
    { stateN: 3 } as unknown as Record<string, string>,
    'The option state is {"stateN":3}; it takes the name of an input for each of some outputs.',
  ],
] as const)("the option state refuses %j", async (state, message) => {
  await expect(compiled(runningSum(), { state })).rejects.toMatchObject({ code: "bad-option", fault: "usage", message });
});
