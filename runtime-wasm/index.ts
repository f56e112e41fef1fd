/** What a build of the runtime exports. */
import { ABI } from "../build/abi.ts";
import { init, useScratch } from "./constants.ts";
import { hashBegin, hashEnd, hashUpdate } from "./hash.ts";
import { decodeBlocks } from "./pack/blocks.ts";
import { decode } from "./pack/entropy.ts";
import { decodeGroups } from "./pack/groups.ts";
import { decodeNibbles } from "./pack/nibbles.ts";
import { pack } from "./pack/pack.ts";
import { run } from "./run.ts";
import { probe, useFusedDot } from "./simd/dot.ts";
import { useFusedMultiplyAdd } from "./simd/multiply-add.ts";
import { tryDots } from "./trial.ts";
import { decodeVarints } from "./varint.ts";

/** Checksum of the layouts in format/ that this build was compiled with. */
const abi: i32 = ABI;

export {
  abi,
  decode,
  decodeBlocks,
  decodeGroups,
  decodeNibbles,
  decodeVarints,
  hashBegin,
  hashEnd,
  hashUpdate,
  init,
  pack,
  probe,
  run,
  tryDots,
  useFusedDot,
  useFusedMultiplyAdd,
  useScratch,
};
