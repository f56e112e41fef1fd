/** Base64 as fast as the engine has it; not every place has any of it (an AudioWorklet lacks even atob). */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** What engines bring, none of them everywhere. */
interface Native {
  readonly Uint8Array: { readonly fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  readonly Buffer?: { readonly from?: (text: string, encoding: "base64") => Uint8Array<ArrayBuffer> };
}

/** Decodes well-formed base64 (RFC 4648, padded); the text is the package's own. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = globalThis as unknown as Native;
  if (native.Uint8Array.fromBase64) return native.Uint8Array.fromBase64(text);
  // A page may have any global of this name: only what decodes to bytes is used.
  const bytes = native.Buffer?.from?.(text, "base64");
  return bytes instanceof Uint8Array && bytes.length === decodedLength(text) ? bytes : decodePortably(text);
}

function decodedLength(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** decodeBase64 with nothing but the language. */
export function decodePortably(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let i = 0; i < 64; i++) values[ALPHABET.charCodeAt(i)] = i;
  const bytes = new Uint8Array(decodedLength(text));
  let out = 0;
  for (let i = 0; i < text.length; i += 4) {
    const group =
      (values[text.charCodeAt(i)]! << 18) |
      (values[text.charCodeAt(i + 1)]! << 12) |
      (values[text.charCodeAt(i + 2)]! << 6) |
      values[text.charCodeAt(i + 3)]!;
    // Writes behind the end of a typed array are dropped, which is what the padding wants.
    bytes[out] = group >> 16;
    bytes[out + 1] = group >> 8;
    bytes[out + 2] = group;
    out += 3;
  }
  return bytes;
}
