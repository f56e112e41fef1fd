/**
 * Canonical JSON: no spaces, keys in ascending order of their UTF-16 code units, numbers and texts as JSON.stringify writes them.
 * One value has one text, so that decoding and encoding a file gives the same bytes.
 */

/** What JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object; one that `parseJson` gave has no prototype. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/** Nesting beyond this is refused. */
export const MAX_JSON_DEPTH = 64;

/** Whether a value is an object and neither null nor a list. */
export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Writes a value; keys whose value is undefined are left out. Throws a RangeError on nesting beyond MAX_JSON_DEPTH and on NaN and ±Infinity. */
export function writeJson(value: unknown, depth = 0): string {
  if (depth > MAX_JSON_DEPTH) throw new RangeError(`JSON is nested deeper than ${MAX_JSON_DEPTH}`);
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item, depth + 1)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const record = value as Record<string, unknown>;
    const keys = Object.keys(record).filter((key) => record[key] !== undefined);
    return `{${keys
      .sort()
      .map((key) => `${JSON.stringify(key)}:${writeJson(record[key], depth + 1)}`)
      .join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`JSON cannot hold ${value}`);
  const written = JSON.stringify(value);
  if (written === undefined) throw new RangeError(`JSON cannot hold a ${typeof value}`);
  return written;
}

/** Reads canonical JSON into objects without prototypes. Throws a SyntaxError or RangeError where the text is none. */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  const order = { ascends: true };
  const parsed = withoutPrototypes(value, 0, order);
  // The engine's own writer says the same as ours where it finds all keys in order; it puts those that are whole numbers first.
  if (!(order.ascends && JSON.stringify(value) === text) && writeJson(parsed) !== text)
    throw new SyntaxError("JSON is not in its canonical form");
  return parsed;
}

/** `order` is told where the keys of an object do not ascend. */
function withoutPrototypes(value: JsonValue, depth: number, order: { ascends: boolean }): JsonValue {
  if (depth > MAX_JSON_DEPTH) throw new RangeError(`JSON is nested deeper than ${MAX_JSON_DEPTH}`);
  if (Array.isArray(value)) return value.map((item) => withoutPrototypes(item, depth + 1, order));
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.create(null) as Record<string, JsonValue>;
  let last = "";
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key < last) order.ascends = false;
    last = key;
    copy[key] = withoutPrototypes((value as Readonly<Record<string, JsonValue>>)[key]!, depth + 1, order);
  }
  return copy;
}
