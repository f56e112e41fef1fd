/** The parts that the command line uses of packages whose types are missing, or want a browser's. */
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

declare module "@jsquash/jpeg/codec/dec/mozjpeg_dec.js" {
  export interface JpegCodec {
    decode(bytes: Uint8Array, applyOrientation: boolean): import("./image/rgba-pixels.ts").RgbaPixels | null;
  }
  export default function createCodec(options: {
    readonly print: (message: string) => void;
    readonly printErr: (message: string) => void;
    readonly instantiateWasm: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => WebAssembly.Exports;
  }): Promise<JpegCodec>;
}

declare module "@jsquash/png/codec/pkg/squoosh_png.js" {
  export function initSync(module: WebAssembly.Module): void;
  export function decode(bytes: Uint8Array): import("./image/rgba-pixels.ts").RgbaPixels;
}
