/**
 * DATA of the command line as a list of samples that are read one by one: .npy (first axis = samples), .npz (by input name),
 * a folder of images, or a .csv beside its images. Memory holds one sample at a time, but for .npz and Fortran order.
 */
import { readdirSync } from "node:fs";
import { dirname, extname, isAbsolute, join } from "node:path";
import { badData, badFile, unreadable } from "../errors.ts";
import { decodeImage, type Image, isImageFile } from "../image/image.ts";
import { parseFileTable } from "./csv.ts";
import { openFile, pathKind, readBytes, readText } from "./file.ts";
import { checkLength, decodeElements, decodeNpy, MAX_HEADER_BYTES, type NpyArray, npyTypeBytes, parseNpyHeader } from "./npy.ts";
import { decodeNpz } from "./npz.ts";

/** One sample by input name ("" for the only input): images still to be preprocessed, arrays without their sample axis. */
export type Sample = ReadonlyMap<string, Image | NpyArray>;

/** Samples by index. */
export interface Dataset {
  readonly path: string;
  readonly length: number;
  /** The images' files as the table or the folder names them. */
  readonly files?: readonly string[];
  /** Labels that came along with the data. */
  readonly labels?: readonly number[];
  /** Reads one sample. @throws CompileError */
  sample(index: number): Promise<Sample>;
  close(): void;
}

/** Opens DATA. @throws CompileError `unreadable`, `bad-file` or `bad-data` */
export function openDataset(path: string): Dataset {
  const kind = pathKind(path);
  if (kind === undefined) throw badFile(path, "there is no such file or folder.");
  if (kind === "folder") return openFolder(path);
  switch (extname(path).toLowerCase()) {
    case ".npy":
      return openNpy(path);
    case ".npz":
      return openNpz(path);
    case ".csv":
      return openTable(path);
    default:
      throw badFile(path, "data is a .npy, a .npz, a folder of images, or a .csv beside its images.");
  }
}

function openFolder(path: string): Dataset {
  const files = listFolder(path).filter(isImageFile).sort();
  if (files.length === 0) throw badFile(path, "the folder holds no .jpg, .jpeg or .png.");
  return imageFiles(path, path, files, undefined);
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function openTable(path: string): Dataset {
  const { files, labels } = parseFileTable(readText(path), path);
  if (files === undefined) throw badFile(path, "it has no column `file`; data as a .csv lists images.");
  return imageFiles(path, dirname(path), files, labels);
}

function imageFiles(path: string, folder: string, files: readonly string[], labels: readonly number[] | undefined): Dataset {
  return {
    path,
    length: files.length,
    files,
    ...(labels !== undefined && { labels }),
    async sample(index) {
      const file = files[index] as string;
      const full = isAbsolute(file) ? file : join(folder, file);
      return new Map([["", await decodeImage(readBytes(full), full)]]);
    },
    close: () => {},
  };
}

function openNpy(path: string): Dataset {
  const file = openFile(path);
  try {
    const header = parseNpyHeader(file.read(0, MAX_HEADER_BYTES + 12), path);
    const [length, shape] = splitSamples(header.shape, path);
    if (header.fortranOrder && header.shape.length > 1) {
      const whole = decodeNpy(readBytes(path), path);
      file.close();
      return { path, length, sample: async (index) => new Map([["", sliceSample(whole, shape, index)]]), close: () => {} };
    }
    const sampleBytes = shape.reduce((n, d) => n * d, npyTypeBytes(header.type));
    checkLength(path, file.bytes - header.offset, length * sampleBytes);
    return {
      path,
      length,
      async sample(index) {
        const bytes = file.read(header.offset + index * sampleBytes, sampleBytes);
        if (bytes.length !== sampleBytes) throw badFile(path, "it became shorter while it was read.");
        const data = decodeElements(bytes, header.type, header.littleEndian);
        return new Map([["", { type: header.type, shape, data }]]);
      },
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

function openNpz(path: string): Dataset {
  const whole = decodeNpz(readBytes(path), path);
  const entries = [...whole].map(([name, array]) => ({ name, array, split: splitSamples(array.shape, `${path}: ${name}`) }));
  const length = entries[0]?.split[0] ?? 0;
  const other = entries.find(({ split }) => split[0] !== length);
  if (other !== undefined)
    throw badData(
      `${path}: its arrays differ in their number of samples: ${entries[0]?.name} has ${length}, ${other.name} has ${other.split[0]}.`,
    );
  const sample = async (index: number): Promise<Sample> =>
    new Map(entries.map(({ name, array, split }) => [name, sliceSample(array, split[1], index)]));
  return { path, length, sample, close: () => {} };
}

function splitSamples(shape: readonly number[], path: string): readonly [length: number, sampleShape: readonly number[]] {
  const length = shape[0];
  if (length === undefined) throw badFile(path, "it is a scalar; the first axis has to be the samples.");
  if (length === 0) throw badFile(path, "it holds no samples: its first axis is 0.");
  return [length, shape.slice(1)];
}

function sliceSample(array: NpyArray, shape: readonly number[], index: number): NpyArray {
  const count = shape.reduce((n, d) => n * d, 1);
  return { type: array.type, shape, data: array.data.slice(index * count, (index + 1) * count) };
}
