import { expect, it } from "vitest";
import { digestText } from "../../host/scanner.ts";
import { scanner } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";
import { xxh64 } from "../support/xxh64.ts";

it.each([
  ["", "ef46db3751d8e999"],
  ["a", "d24ec4f1a98c6e5b"],
  ["as", "1c330fb2d66be179"],
  ["asd", "631c37ce72a97393"],
  ["asdf", "415872f599cea71e"],
  ["Call me Ishmael. Some years ago--never mind how long precisely-", "02a2e85470d6fd96"],
])("XXH64 of %j is the published %s", (text, digest) => {
  expect(digestText(scanner.digest(Buffer.from(text)))).toBe(digest);
});

it("agrees with the specification at every length up to 100 and around the chunk's", () => {
  const random = randomSource(7);
  const bytes = Uint8Array.from({ length: 140_000 }, () => random());
  const lengths = [...Array.from({ length: 101 }, (_, i) => i), 64447, 64448, 64449, 128895, 128896, 128897, 140_000];
  for (const length of lengths) {
    const piece = bytes.subarray(3, 3 + length);
    expect(digestText(scanner.digest(piece)), `${length} bytes`).toBe(xxh64(piece).toString(16).padStart(16, "0"));
  }
});

it("gives the same digest however the stream is cut", () => {
  const random = randomSource(11);
  const bytes = Uint8Array.from({ length: 1000 }, () => random());
  const whole = scanner.digest(bytes);
  for (let round = 0; round < 50; round++) {
    scanner.begin();
    for (let at = 0; at < bytes.length; ) {
      const next = at + (random() % 70);
      scanner.update(bytes.subarray(at, next));
      at = next;
    }
    expect(scanner.end()).toEqual(whole);
  }
});
