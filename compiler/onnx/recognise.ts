/** Names what people give instead of an .onnx by mistake, from its first bytes. */
import { notOnnx } from "./errors.ts";

interface Stranger {
  readonly kind: string;
  readonly advice: string;
  readonly at?: number;
  readonly magic: string;
}

const LFS = "Fetch the real file with `git lfs pull`.";
const ARCHIVE = "Unpack it and give the .onnx inside.";
const EXPORT = "Export the model to ONNX first.";
const DOWNLOAD = "The download went wrong: the server sent a page instead of the model. Open the address in a browser to see why.";

/** Compared without regard to case; the first match counts. */
const STRANGERS: readonly Stranger[] = [
  { magic: "version https://git-lfs", kind: "a Git LFS pointer", advice: LFS },
  { magic: "<!doctype", kind: "an HTML page", advice: DOWNLOAD },
  { magic: "<html", kind: "an HTML page", advice: DOWNLOAD },
  { magic: "<", kind: "an HTML or XML text", advice: DOWNLOAD },
  { magic: "{", kind: "JSON", advice: "Give the .onnx itself, not its description or an error that a server sent." },
  { magic: "[", kind: "JSON", advice: "Give the .onnx itself, not its description or an error that a server sent." },
  { at: 4, magic: "tfl3", kind: "a TensorFlow Lite model", advice: "Convert it with tf2onnx --tflite." },
  { at: 4, magic: "ortm", kind: "a model in ONNX Runtime's own .ort format", advice: "Give the .onnx that it was made from." },
  { at: 8, magic: '{"', kind: "a safetensors file", advice: EXPORT },
  {
    magic: "pk\x03\x04",
    kind: "a zip archive (or a PyTorch checkpoint, which is one)",
    advice: `${ARCHIVE} A checkpoint is exported with torch.onnx.export.`,
  },
  { magic: "\x1f\x8b", kind: "a gzip archive", advice: ARCHIVE },
  { magic: "\x89hdf", kind: "an HDF5 file (a Keras model)", advice: "Convert it with tf2onnx." },
  { magic: "eqm1", kind: "a compiled .eqm", advice: "It is ready to run; compile takes the .onnx." },
  { magic: "\x80\x02", kind: "a Python pickle", advice: EXPORT },
  { magic: "gguf", kind: "a GGUF model", advice: EXPORT },
  { magic: "\x93numpy", kind: "a NumPy array", advice: "It may be an input of the model; give the .onnx." },
];

/** Throws `not-onnx` where the bytes begin like a well-known other kind of file. */
export function refuseStrangers(bytes: Uint8Array): void {
  if (bytes.length === 0) throw notOnnx("an empty file", "The download or export did not finish.");
  const blanks = bytes.subarray(0, 64).findIndex((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  const text = latin(bytes);
  const trimmed = blanks > 0 ? latin(bytes.subarray(blanks)) : text;
  const bom = text.startsWith("\xef\xbb\xbf") ? text.slice(3) : trimmed;
  for (const { magic, at = 0, kind, advice } of STRANGERS) {
    if (text.startsWith(magic, at) || (at === 0 && bom.startsWith(magic) && isText(magic))) throw notOnnx(kind, advice);
  }
}

function isText(magic: string): boolean {
  return magic.startsWith("<") || magic === "{" || magic === "[";
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64)).toLowerCase();
}
