/** NumPy's archives: a ZIP of .npy files, stored or deflated. */
import { type UnzipFileInfo, unzipSync, type Zippable, zipSync } from "fflate";
import { badFile, CommandError } from "../errors.ts";
import { MAX_FILE_BYTES } from "./file.ts";
import { decodeNpy, encodeNpy, type NpyArray, type NpyType } from "./npy.ts";

/** Whether `bytes` begin like a ZIP. */
export function isZip(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 &&
    bytes[0] === 0x50 &&
    bytes[1] === 0x4b &&
    ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6))
  );
}

/**
 * The arrays by name, in the order of the archive.
 *
 * @throws CompileError `bad-file` for a damaged archive, an entry that is no .npy, a name twice, or more than 2 GiB unpacked
 */
export function decodeNpz(bytes: Uint8Array, path: string): ReadonlyMap<string, NpyArray> {
  const arrays = new Map<string, NpyArray>();
  for (const [file, data] of Object.entries(unzip(bytes, path))) {
    const name = file.slice(0, -".npy".length);
    arrays.set(name, decodeNpy(data, `${path}: ${file}`));
  }
  if (arrays.size === 0) throw badFile(path, "it holds no arrays.");
  return arrays;
}

function unzip(bytes: Uint8Array, path: string): Readonly<Record<string, Uint8Array>> {
  const names = new Set<string>();
  let total = 0;
  const filter = ({ name, originalSize, size }: UnzipFileInfo): boolean => {
    if (!name.endsWith(".npy")) throw badFile(path, `its entry ${JSON.stringify(name)} is no .npy.`);
    if (names.has(name)) throw badFile(path, `its entry ${JSON.stringify(name)} is there twice.`);
    names.add(name);
    total += originalSize;
    if (total > MAX_FILE_BYTES || size > bytes.length) throw badFile(path, `it unpacks to more than ${MAX_FILE_BYTES} bytes.`);
    return true;
  };
  try {
    return unzipSync(bytes, { filter });
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw badFile(path, `it is no sound .npz: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** One array to be written. */
export interface NamedArray {
  readonly name: string;
  readonly type: NpyType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** An archive as `numpy.savez` makes it: stored, and with a fixed date, so that the same arrays give the same bytes. */
export function encodeNpz(arrays: readonly NamedArray[]): Uint8Array {
  const files: Zippable = {};
  for (const { name, type, shape, data } of arrays)
    files[`${name}.npy`] = [encodeNpy(type, shape, data), { level: 0, mtime: "1980-01-01T00:00:00" }];
  return zipSync(files);
}
