/** Progress on stderr while a person watches; silence elsewhere. */
import { SingleBar } from "cli-progress";

/** One bar after another, one per phase. */
export interface Progress {
  /** `done` of `total` in `phase`, 0 where the end is not known; a new phase ends the bar of the one before. */
  update(phase: string, done: number, total: number): void;
  /** Takes the bar away; also before an error is printed. */
  stop(): void;
}

const FORMAT = "{phase} {bar} {percentage} % ({value}/{total})";
const FORMAT_WITHOUT_END = "{phase} {value}";
const SILENT: Progress = { update: () => {}, stop: () => {} };

let active: Progress = SILENT;

/** The progress of the running command, silent when stderr is no terminal. */
export function startProgress(): Progress {
  stopProgress();
  active = process.stderr.isTTY ? terminalProgress() : SILENT;
  return active;
}

/** Takes away the bar that may be on the screen. */
export function stopProgress(): void {
  active.stop();
}

function terminalProgress(): Progress {
  let bar: SingleBar | undefined;
  let shown: string | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
    shown = undefined;
  };
  return {
    update(phase, done, total) {
      if (phase !== shown) {
        stop();
        bar = new SingleBar({
          format: total > 0 ? FORMAT : FORMAT_WITHOUT_END,
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: false,
          gracefulExit: false,
          barCompleteChar: "#",
          barIncompleteChar: "-",
          barsize: 30,
        });
        bar.start(total, done, { phase });
        shown = phase;
        return;
      }
      bar?.setTotal(total);
      bar?.update(done);
    },
    stop,
  };
}
