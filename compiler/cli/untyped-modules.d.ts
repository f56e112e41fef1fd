/** The parts that the command line uses of packages that carry no types. */
declare module "cli-progress" {
  export interface Options {
    readonly format: string;
    readonly stream: NodeJS.WriteStream;
    readonly clearOnComplete: boolean;
    readonly hideCursor: boolean;
    readonly gracefulExit: boolean;
    readonly barCompleteChar: string;
    readonly barIncompleteChar: string;
    readonly barsize: number;
  }
  export class SingleBar {
    constructor(options: Options);
    start(total: number, value: number, payload: Readonly<Record<string, string>>): void;
    setTotal(total: number): void;
    update(value: number): void;
    stop(): void;
  }
}
