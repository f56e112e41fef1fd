/** What the runtime keeps at fixed addresses lies apart: nobody else's constants stand in for another's. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { plainModule } from "../support/small-model.ts";

const source = (path: string) => readFileSync(new URL(`../../runtime-wasm/${path}`, import.meta.url), "utf8");

/** Constants of type usize by name, sums of earlier ones resolved. */
function addresses(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [, name, value] of text.matchAll(/^(?:export )?const (\w+): usize = (.+);$/gm))
    found.set(
      name!,
      value!.split(" + ").reduce((sum, part) => sum + (found.get(part) ?? Number(part)), 0),
    );
  return found;
}

const vectors = addresses(source("constants.ts"));
const math = source("simd/math.ts");
const scalars = [...math.matchAll(/^ {2}store<f32>\((\w+), [^,)]+(?:, (\d+))?\);$/gm)].map(([, name, offset]) => ({
  name: `${name} + ${offset ?? 0}`,
  from: addresses(math).get(name!)! + Number(offset ?? 0),
  bytes: 4,
}));

it("lies apart", () => {
  const fixed = [...vectors].map(([name, from]) => ({ name, from, bytes: name.endsWith("_IS_FUSED") ? 4 : 16 }));
  const all = [...fixed, ...scalars].sort((a, b) => a.from - b.from);
  expect(vectors.size).toBeGreaterThan(6);
  expect(scalars.length).toBeGreaterThan(40);
  const overlaps = all.filter(({ from }, i) => i > 0 && from < all[i - 1]!.from + all[i - 1]!.bytes);
  expect(overlaps).toEqual([]);
  expect(all[0]!.from).toBeGreaterThanOrEqual(16);
  expect(all.filter(({ from, bytes }) => from < 1024 && from + bytes > 1024)).toEqual([]);
});

it("holds the dot of two steps until something else is asked for", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  (new WebAssembly.Instance(plainModule, { env: { memory } }).exports as unknown as { init(): void }).init();
  expect(new DataView(memory.buffer).getInt32(vectors.get("DOT_IS_FUSED")!, true)).toBe(0);
});
