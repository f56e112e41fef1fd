import { expect, it, vi } from "vitest";
import { load } from "../../host/index.ts";
import { smallFile } from "../support/small-model.ts";

it("loads a file, runs it, and gives each output under its name", async () => {
  using model = await load(smallFile());
  expect(model.memoryBytes).toBe(65536);
  const { y, z } = model.run({ x: new Int8Array([1, 2, 3, 4, 5, 6]) });
  expect(y).toEqual(new Int8Array([-2, -5, -3, -6, -4, -7]));
  expect(z).toEqual(new Float32Array(7).fill(1.5));
});

it("asks for the time only where somebody wants to know how long loading takes: in a fresh Node the first look costs milliseconds", async () => {
  using clock = vi.spyOn(performance, "now");
  (await load(smallFile())).dispose();
  expect(clock).not.toHaveBeenCalled();
  const stages: string[] = [];
  (await load(smallFile(), { onStage: (stage, ms) => stages.push(`${stage} ${ms >= 0}`) })).dispose();
  expect(stages).toEqual(["open true", "check true", "pack true"]);
});
