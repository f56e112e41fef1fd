/** Where a model's external data may lie: a relative path that stays beside the model. */
import { badExternalData } from "./errors.ts";

/**
 * Reads `length` bytes from `offset` of the file `location` (relative to the model); `length` is undefined where all of the file from `offset` is
 * meant. Locations are checked before (`checkLocation`); a file system may need more care (cli/external-data.ts).
 */
export type ExternalData = (location: string, offset: number, length: number | undefined) => Uint8Array;

/** Throws `external-data` where a location is absolute, climbs, or is no plain file path on some system. Returns its segments. */
export function checkLocation(location: string): readonly string[] {
  const refuse = (problem: string): Error =>
    badExternalData(location, `${problem} eqm reads only files beside the model; export it again.`);
  if (location === "") throw refuse("but names none.");
  if (/[\0-\x1f]/.test(location)) throw refuse("whose name has control characters.");
  if (location.startsWith("/") || location.startsWith("\\") || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(location))
    throw refuse("which is an absolute path.");
  if (location.includes("\\")) throw refuse("whose name has a backslash.");
  const segments = location.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw refuse("which lies outside of the model's folder.");
  if (segments.length === 0) throw refuse("which is a folder.");
  if (segments[0] === "*") throw refuse("which is an address in another program's memory.");
  return segments;
}
