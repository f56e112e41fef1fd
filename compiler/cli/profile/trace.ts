/**
 * One run as a Chrome trace: a JSON array of complete events (`"ph": "X"`), which chrome://tracing and Perfetto load. Times are in
 * microseconds. Source: "Trace Event Format", the JSON array format.
 */
import type { Profile } from "./profile.ts";

/** @param name of the model, for the event that spans the run */
export function chromeTrace({ steps, timeline, peaks }: Profile, name: string): string {
  const event = (of: string, kind: string, startMs: number, ms: number, args: object): object => {
    return { name: of, cat: kind, ph: "X", ts: microseconds(startMs), dur: microseconds(ms), pid: 1, tid: 1, args };
  };
  const events = steps.map(({ step, kernel, op, nodes, shape, macs, ofPeak }) => {
    const { startMs = 0, ms = 0 } = timeline.steps[step] ?? {};
    return event(nodes.join(", ") || op || kernel, kernel, startMs, ms, { step, op, nodes, shape, macs, ofPeak });
  });
  const run = event(name, "run", 0, timeline.ms, { peakGmacPerS: peaks });
  return `[\n${[run, ...events].map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;
}

// Whole nanoseconds: more digits say nothing.
function microseconds(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}
