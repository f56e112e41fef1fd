/** A profile for people: the steps, the totals by kernel, the machine's limits. */
import { type Column, formatFacts, formatTable } from "../output/table.ts";
import { formatCount, formatMs, formatPercent } from "../output/units.ts";
import { PEAKS, type PeakName } from "./peak.ts";
import type { KernelProfile, Profile, StepProfile } from "./profile.ts";

const RATES: readonly Column[] = ["time", "share", "MACs", "GMAC/s", "of peak"].map((title) => ({ title, align: "right" }));

/**
 * The tables of a profile, a newline at the end.
 *
 * @param top only so many steps, the slowest first; undefined for all in the plan's order
 */
export function profileTables({ steps, kernels, build, peaks, stepsMs, macs, rounds }: Profile, top: number | undefined): string {
  const shown = top === undefined ? steps : [...steps].sort((a, b) => b.ms - a.ms || a.step - b.step).slice(0, top);
  const stepTable = formatTable(
    [{ title: "step", align: "right" }, { title: "kernel" }, { title: "shape" }, ...RATES, { title: "op" }, { title: "nodes" }],
    shown.map((row) => [String(row.step), row.kernel, row.shape, ...rateCells(row), row.op, row.nodes.join(", ")]),
  );
  const kernelTable = formatTable(
    [{ title: "kernel" }, { title: "steps", align: "right" }, ...RATES],
    kernels.map((row) => [row.kernel, String(row.steps), ...rateCells(row)]),
  );
  const facts = formatFacts([
    [
      "steps",
      `${formatMs(stepsMs)} together${macs === 0 ? "" : `, ${formatCount(macs)} MACs`}; medians of ${rounds} rounds, ${build} build`,
    ],
    ...(Object.entries(peaks) as [PeakName, number][]).map(([name, rate]): [string, string] => [
      `${name} peak`,
      `${rate.toFixed(1)} GMAC/s here and now: ${PEAKS[name].instructions}, with loads from the first cache, one thread`,
    ]),
  ]);
  return `${stepTable}\n${kernelTable}\n${facts}`;
}

function rateCells({ ms, share, macs, gmacPerS, ofPeak }: StepProfile | KernelProfile): readonly string[] {
  return [
    formatMs(ms),
    formatPercent(share),
    macs === 0 ? "" : formatCount(macs),
    gmacPerS === undefined ? "" : gmacPerS.toFixed(2),
    ofPeak === undefined ? "" : `${(ofPeak * 100).toFixed(1)} %`,
  ];
}
