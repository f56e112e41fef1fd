/** What workers can do. */
import { eliminating } from "../prune/elimination.ts";
import { counting } from "../quantize/calibrate.ts";
import { comparing } from "../quantize/compare.ts";
import { running } from "../quantize/output-measure.ts";
import { walking } from "../quantize/pair-walk.ts";
import type { Trade } from "./trade.ts";

/** All trades, each of a name of its own. */
export const TRADES: readonly Trade<never, never, unknown>[] = [comparing, counting, eliminating, running, walking];
