/**
 * What each layer may be, what that takes and what it costs: bytes in the file after entropy coding, and the noise that the outputs get from this
 * layer alone. The weights of each form are those that GPTQ rounds for the inputs that the eight-bit network gives, so that forms of
 * several layers can be put together; their losses add up as far as they are independent.
 *
 *   loss(layer, form) = ‖ y(form) − y(eight bits) ‖² / ‖ y ‖²     on PROBES samples that weights were fitted to
 *
 * Only forms of few bits are tried so. Noise of more bits is small, and arrives at the outputs as that of few bits does: it is scaled.
 */
import { compressConstant } from "../emit/compress.ts";
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, type Node, requiredInput } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import type { Description } from "../plan/plan.ts";
import type { Sample, Watch } from "../quantize/calibrate.ts";
import { type LayerForm, refitWeights, setLayerForm } from "../quantize/refit.ts";
import { isWeighted } from "../quantize/scope.ts";
import type { WeightBits } from "../quantize/weight-bits.ts";
import { outputAxis, quantizeWeights } from "../quantize/weights.ts";
import { macsOf } from "../report/macs.ts";
import { weightsConstant } from "../report/step-weights.ts";
import { type Decisions, decisionsOf, distance } from "../run/decisions.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";

/** One form of a layer. */
export interface LayerChoice {
  readonly bits: WeightBits;
  /** Of the weights, coded as they stand in a file. */
  readonly bytes: number;
  readonly loss: number;
  /** Variance that rounding adds to the layer's result, as a part of that; 0 where it was not measured. */
  readonly noise: number;
}

/** A layer and its forms, that of the most bits first. */
export interface LayerChoices {
  readonly name: string;
  readonly weights: number;
  readonly macs: number;
  readonly choices: readonly LayerChoice[];
}

/** Samples that each form of each layer is tried on. */
const PROBES = 8;
/** Forms of more bits are not tried where those of fewer say what they cost. */
const MOST_TRIED = 4;
/** Weights of two bits are too coarse for their noise to be taken as small. */
const COARSE = 2;

/** What a database is made from. */
export interface DatabaseRequest {
  readonly float: Graph;
  /** `float` with Q/DQ, its weights of eight bits and rounded to the nearest; it is changed. */
  readonly inserted: Graph;
  readonly floatCompiled: Compiled;
  readonly description: Description;
  readonly samples: readonly Sample[];
  /** Forms to look at, the most bits first. */
  readonly bits: readonly WeightBits[];
  readonly options: CompileOptions;
  /** No samples are synthesised ones. */
  readonly synthetic: boolean;
}

/** Measures all forms of all int8 layers with weights. */
export async function measureLayers(
  { float, inserted, floatCompiled, description, samples, bits, options, synthetic }: DatabaseRequest,
  module: WebAssembly.Module,
  watch: Watch,
): Promise<readonly LayerChoices[]> {
  const forms = new Map<string, Map<WeightBits, LayerForm>>();
  const fitted = synthetic || options.rounding === "nearest" ? [] : samples;
  const fewer = bits.filter((b) => b < 8);
  if (fitted.length > 0) {
    const explore = async (name: string, formOf: (b: WeightBits) => LayerForm): Promise<void> => {
      const own = new Map<WeightBits, LayerForm>();
      for (const b of fewer) {
        await watch.pause();
        own.set(b, formOf(b));
      }
      forms.set(name, own);
    };
    const rule = { bits: new Map(), groupSize: options.groupSize, pairSafe: options.pairSafe ?? true, compact: true, explore };
    await refitWeights(float, inserted, floatCompiled, module, fitted, rule, watch);
  }
  const floatNodes = new Map(float.nodes.map((node) => [node.name, node]));
  const layers = inserted.nodes.filter((node) => isWeighted(node) && requiredInput(node, 1).producer?.op === "DequantizeLinear");
  const probes = samples.slice(0, PROBES);
  const base = await decisionsOf(inserted, description, module, probes, watch.pause);
  const found: LayerChoices[] = [];
  for (const [i, node] of layers.entries()) {
    const own = forms.get(node.name) ?? new Map(fewer.map((b) => [b, nearest(node, floatNodes.get(node.name)!, b)]));
    const choices: LayerChoice[] = [];
    for (const b of [...bits].reverse()) {
      await watch.pause();
      const sensitivity = sensitivityOf(choices);
      choices.unshift(
        b === 8
          ? { bits: b, bytes: weightBytes(base.compiled, node.name, options), loss: 0, noise: 0 }
          : b > MOST_TRIED && sensitivity !== null
            ? scaled(inserted, node.name, b, own.get(b)!, sensitivity)
            : await probe(inserted, node.name, b, own.get(b)!, base.decisions),
      );
    }
    const weights = requiredInput(floatNodes.get(node.name)!, 1).constant!.data.length;
    found.push({ name: node.name, weights, macs: macsOf(node), choices });
    watch.step(i + 1, layers.length);
  }
  return found;

  function scaled(graph: Graph, name: string, b: WeightBits, form: LayerForm, sensitivity: number): LayerChoice {
    const compiled = compileGraph(implant(graph, name, form), description);
    return { bits: b, bytes: weightBytes(compiled, name, options), loss: sensitivity * form.noise, noise: form.noise };
  }

  async function probe(graph: Graph, name: string, b: WeightBits, form: LayerForm, expected: Decisions): Promise<LayerChoice> {
    const { compiled, decisions } = await decisionsOf(implant(graph, name, form), description, module, probes, watch.pause);
    return { bits: b, bytes: weightBytes(compiled, name, options), loss: distance(expected, decisions), noise: form.noise };
  }
}

/** Noise at the outputs for noise in the layer's result, of forms that were tried; null where nothing says so. */
export function sensitivityOf(choices: readonly LayerChoice[]): number | null {
  const noisy = choices.filter(({ bits, noise }) => noise > 0 && bits <= MOST_TRIED);
  const fine = noisy.filter(({ bits }) => bits > COARSE);
  const used = fine.length > 0 ? fine : noisy;
  const noise = used.reduce((sum, choice) => sum + choice.noise, 0);
  return noise > 0 ? used.reduce((sum, choice) => sum + choice.loss, 0) / noise : null;
}

function nearest(node: Node, floatNode: Node, bits: WeightBits): LayerForm {
  const inputScale = Number(requiredInput(requiredInput(node, 0).producer!, 1).constant!.data[0]);
  const bias = (floatNode.inputs[2]?.constant?.data as Float32Array | undefined) ?? null;
  const { values, scales } = quantizeWeights(requiredInput(floatNode, 1).constant!, outputAxis(node), inputScale, bias, bits);
  return { values: values.data as Int8Array, scales, bias, noise: 0 };
}

/** A graph like `graph` whose layer `name` has the weights of `form`. */
function implant(graph: Graph, name: string, form: LayerForm): Graph {
  const copy = cloneGraph(graph);
  setLayerForm(copy, copy.nodes.find((node) => node.name === name)!, form);
  return copy;
}

/** Bytes in the file of the weights of a node, over all of its steps. */
function weightBytes({ program, stepNodes }: Compiled, name: string, coder: CompileOptions): number {
  let bytes = 0;
  program.plan.steps.forEach((words, step) => {
    const constant = stepNodes[step] === name ? weightsConstant(words, program.constants) : undefined;
    if (constant) bytes += compressConstant(constant, coder).bytes.length;
  });
  return bytes;
}
