/** The build for shared memory, made from the one that is carried. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { withSharedMemory } from "../../host/shared-module.ts";

it.each(["plain", "relaxed"])("takes a shared memory, and is otherwise the %s build byte for byte", (name) => {
  const bytes = readFileSync(new URL(`../../build/${name}.wasm`, import.meta.url));
  const shared = withSharedMemory(bytes);
  // Node 20 takes no relaxed SIMD.
  if (WebAssembly.validate(bytes)) {
    const module = new WebAssembly.Module(shared);
    const put = (shared: boolean) =>
      new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 3, maximum: 3, shared }) } });
    expect(() => put(true)).not.toThrow();
    expect(() => put(false)).toThrow(/shared/);
  }
  const at = bytes.indexOf("memory") + 8;
  expect([...shared.subarray(at - 1, at + 4)]).toEqual([3, 1, 0x80, 0x80, 4]);
  expect(Buffer.compare(shared.subarray(at + 4), bytes.subarray(at + 1))).toBe(0);
  expect([...shared.subarray(0, at - 1)].filter((byte, i) => byte !== bytes[i])).toHaveLength(1);
});

it("is refused for a module that imports something else", () => {
  expect(() => withSharedMemory(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]))).toThrow("unreachable");
});

it("has no atomic instruction: on Node 20 a loop around memory.atomic.wait32 may never end (docs/architecture.md)", () => {
  const { targets } = JSON.parse(readFileSync(new URL("../../asconfig.json", import.meta.url), "utf8")) as {
    readonly targets: Readonly<Record<string, { readonly enable: readonly string[] }>>;
  };
  for (const [name, { enable }] of Object.entries(targets))
    expect(enable, `${name}: asc refuses atomics unless they are enabled`).not.toContain("threads");
});
