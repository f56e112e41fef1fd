/**
 * Weights that lie in files beside the model. An .onnx from elsewhere must not make eqm read other files: only regular files in the
 * model's own folder or below are read, through no symbolic or hard link (CVE-2022-25882, CVE-2024-27318, CVE-2024-5187).
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { badExternalData } from "../onnx/errors.ts";
import { checkLocation, type ExternalData } from "../onnx/external-location.ts";
import { systemReason } from "./errors.ts";

/** A resolver for the model at `modelPath`. @throws CompileError `external-data`, from the resolver */
export function externalDataBeside(modelPath: string): ExternalData {
  return (location, offset, length) => {
    const segments = checkLocation(location);
    try {
      const folder = realpathSync(dirname(modelPath));
      const path = join(folder, ...segments);
      if (realpathSync(path) !== path)
        throw badExternalData(location, "which is reached through a symbolic link. Put the file itself beside the model.");
      return readPiece(path, location, offset, length);
    } catch (error) {
      const reason = systemReason(error);
      if (reason === undefined) throw error;
      throw badExternalData(location, `which cannot be read: ${reason}. Put it beside the model.`);
    }
  };
}

function readPiece(path: string, location: string, offset: number, length: number | undefined): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw badExternalData(location, "which is not a regular file.");
    if (info.nlink > 1) throw badExternalData(location, "which has several names (hard links). Copy it, so that it has one.");
    const wanted = length ?? info.size - offset;
    if (offset < 0 || wanted < 0 || offset + wanted > info.size) {
      throw badExternalData(
        location,
        `which has ${info.size} bytes; the model asks for ${length ?? "those"} from ${offset} on. The files do not belong together, or one is cut off.`,
      );
    }
    const out = new Uint8Array(wanted);
    for (let got = 0; got < wanted; ) {
      const count = readSync(file, out, got, wanted - got, offset + got);
      if (count === 0) throw badExternalData(location, "which became shorter while it was read.");
      got += count;
    }
    return out;
  } finally {
    closeSync(file);
  }
}
