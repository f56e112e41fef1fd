/**
 * The runtime's exports. The host owns the memory (format/memory.ts draws it) and calls, in this order: `init`, `decode` and `pack`
 * for each constant, then `run` for each inference. `hash…` serve the loader, on a memory of their own.
 */
import { ABI } from "../build/abi.ts";
import { init } from "./constants.ts";
import { hashBegin, hashEnd, hashUpdate } from "./hash.ts";
import { decode } from "./pack/entropy.ts";
import { pack } from "./pack/pack.ts";
import { run } from "./run.ts";

/** Checksum of the layouts in format/ that this build was compiled with. */
const abi: i32 = ABI;

export { abi, decode, hashBegin, hashEnd, hashUpdate, init, pack, run };
