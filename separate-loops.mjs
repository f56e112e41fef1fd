/**
 * An AssemblyScript compiler transform (asconfig.json): Binaryen never inlines a function of the runtime that contains a loop.
 *
 * Engines optimise WebAssembly function by function and switch to optimised code at the next call. Swallowed by its only caller, and at
 * last by the interpreter, a kernel's loop would run a whole first inference in the engine's baseline code.
 */
import { Transform } from "assemblyscript/transform";
import binaryen from "binaryen";

export default class extends Transform {
  afterCompile(module) {
    for (let i = 0; i < module.getNumFunctions(); i++) {
      const { name, base, body } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
      if (base || !name.startsWith("runtime-wasm/") || !binaryen.emitText(body).includes("(loop")) continue;
      binaryen.setPassArgument("no-inline", name);
      module.runPasses(["no-inline"]);
    }
  }
}
