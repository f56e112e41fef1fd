/**
 * A build of the runtime for shared memory. The code is the same: only the type of the imported memory has to say "shared", and a maximum,
 * so that the package need not carry each build twice.
 */

const IMPORT_SECTION = 2;
/** The import `env.memory`, a memory of at least one page, as asc writes it. */
const IMPORT = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 0, 1] as const;
/** Of the last two bytes: shared, with a maximum; and after them the maximum, 65536 pages. */
const SHARED = [3, 1, 0x80, 0x80, 4] as const;

/** The bytes of a module that imports one memory, `env.memory`, with that memory shared. */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 8;
  while (bytes[at] !== IMPORT_SECTION) {
    let size = 0;
    let shift = 0;
    do {
      at++;
      if (at >= bytes.length) throw unexpected();
      size |= (bytes[at]! & 127) << shift;
      shift += 7;
    } while (bytes[at]! > 127);
    at += 1 + size;
  }
  const size = bytes[at + 1]!;
  const start = at + 2;
  const end = start + size;
  if (size !== IMPORT.length + 1 || bytes[start] !== 1 || !IMPORT.every((byte, i) => bytes[start + 1 + i] === byte)) throw unexpected();
  const result = new Uint8Array(bytes.length + SHARED.length - 2);
  result.set(bytes.subarray(0, end - 2));
  result[at + 1] = size + SHARED.length - 2;
  result.set(SHARED, end - 2);
  result.set(bytes.subarray(end), end - 2 + SHARED.length);
  return result;
}

function unexpected(): Error {
  return new Error("unreachable: the runtime imports env.memory and nothing else");
}
