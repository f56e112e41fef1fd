/** Where a model's bytes come from: bytes at hand, a response, an address. */
import { InputError, LoadError } from "./errors.ts";
import { tagOf } from "./tensor.ts";

/** What `load` takes. A text is an address. */
export type Source = Uint8Array | ArrayBuffer | Response | URL | string;

/** The bytes of a source. Throws LoadError, InputError `bad-source`, or the signal's reason. */
export async function sourceBytes(source: Source, signal: AbortSignal | undefined): Promise<Uint8Array> {
  signal?.throwIfAborted();
  if (typeof source === "string") return responseBytes(await fetched(source, signal), signal);
  switch (tagOf(source)) {
    case "Uint8Array":
      return unshared(source as Uint8Array);
    case "ArrayBuffer":
      return new Uint8Array(source as ArrayBuffer);
    case "Response":
      return responseBytes(source as Response, signal);
    case "URL":
      return responseBytes(await fetched(source as URL, signal), signal);
  }
  throw new InputError("bad-source", "A model is loaded from a Uint8Array, an ArrayBuffer, a Response, a URL or an address as text.");
}

/** Whether the caller keeps the bytes: they must not be handed to a worker. */
export function isCallersOwn(source: Source): boolean {
  return typeof source !== "string" && /^(Uint8Array|ArrayBuffer)$/.test(tagOf(source));
}

async function fetched(address: URL | string, signal: AbortSignal | undefined): Promise<Response> {
  if (/^file:/i.test(String(address)) && isNodeLike()) {
    throw new LoadError(
      "file-url",
      `${address} is a file: read it first, as in load(await readFile(new URL(…))) with readFile of node:fs/promises.`,
    );
  }
  try {
    return await fetch(address, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LoadError(
      "fetch-failed",
      `${address} cannot be fetched: ${cause instanceof Error ? cause.message : String(cause)}.`,
      { address: String(address) },
      cause,
    );
  }
}

async function responseBytes(response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const address = response.url || "the response";
  if (!response.ok)
    throw new LoadError("http-status", `${address}: the server answers ${response.status} ${response.statusText}`.trimEnd(), {
      status: response.status,
    });
  const type = response.headers.get("content-type") ?? "";
  if (/\bhtml\b/i.test(type)) {
    throw new LoadError(
      "html-instead",
      `${address} is a web page (${type}), not a .eqm: the address is wrong, or the server answers every address with its start page.`,
      { type },
    );
  }
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LoadError("fetch-failed", `${address} broke off: ${cause instanceof Error ? cause.message : String(cause)}.`, {}, cause);
  }
}

/** Bytes that no other thread can change between the check and the use. */
function unshared(bytes: Uint8Array): Uint8Array {
  return tagOf(bytes.buffer) === "SharedArrayBuffer" ? bytes.slice() : bytes;
}

/** Node's fetch takes no file: addresses; a browser's and Deno's do, where they are allowed to. */
function isNodeLike(): boolean {
  return "process" in globalThis && !("Deno" in globalThis) && !("Bun" in globalThis);
}
