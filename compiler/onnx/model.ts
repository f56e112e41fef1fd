/** A model file decoded and checked as far as one can without knowing its operators. */
import { CompileError } from "../errors.ts";
import { invalidModel, unsupportedOpset } from "./errors.ts";
import type { Message } from "./fields.ts";
import { refuseStrangers } from "./recognise.ts";
import { readMessage } from "./wire.ts";

/** Opsets of the default domain that normalise/ translates; 1 to 6 only for the operators that it lists. */
export const OLDEST_OPSET = 7;
export const NEWEST_OPSET = 28;
/** ONNX's IR version that goes with the newest opset. */
export const NEWEST_IR = 13;

/** What import keeps of a model beside its graph. */
export interface ModelMetadata {
  readonly producer: { readonly name: string; readonly version: string };
  readonly irVersion: number;
  /** Opset of each domain; the default domain is "". */
  readonly opsets: Readonly<Record<string, number>>;
  readonly domain: string;
  readonly modelVersion: number;
  readonly doc: string;
  readonly properties: Readonly<Record<string, string>>;
  /** ONNX element types of inputs, outputs and weights that eqm represents by another: name → "FLOAT16". */
  readonly convertedTypes: Readonly<Record<string, string>>;
  /** What import decided that a user may want to know, one sentence each. */
  readonly notes: readonly string[];
}

/** A decoded model: its main graph, and the opset of the default domain. */
export interface Model {
  readonly proto: Message<"ModelProto">;
  readonly graph: Message<"GraphProto">;
  readonly opset: number;
  readonly opsets: Readonly<Record<string, number>>;
}

/** Decodes a model. Errors: `not-onnx`, `malformed-onnx`, `too-large`, `invalid-model`, `unsupported-opset`, `unsupported-ir-version`. */
export function readModel(bytes: Uint8Array): Model {
  refuseStrangers(bytes);
  const proto = readMessage("ModelProto", bytes);
  if (!proto.graph) throw invalidModel("it has no graph; the file may be a tensor or another framework's model");
  const irVersion = Number(proto.irVersion ?? 0);
  if (irVersion > NEWEST_IR) {
    throw new CompileError(
      "unsupported-ir-version",
      `The model has the IR version ${irVersion}; eqm reads up to ${NEWEST_IR}. Export it with an older onnx.`,
      { irVersion },
    );
  }
  const opsets = readOpsets(proto.opsetImport);
  const opset = opsets[""] ?? (irVersion < 3 ? 1 : null);
  if (opset === null) {
    if (proto.graph.node.some(({ domain }) => isDefaultDomain(domain))) throw invalidModel("it does not say which opset it uses");
    return { proto, graph: proto.graph, opset: NEWEST_OPSET, opsets };
  }
  if (opset < 1 || opset > NEWEST_OPSET) throw unsupportedOpset(opset, OLDEST_OPSET, NEWEST_OPSET);
  return { proto, graph: proto.graph, opset, opsets };
}

function readOpsets(imports: readonly Message<"OperatorSetIdProto">[]): Readonly<Record<string, number>> {
  const opsets = Object.create(null) as Record<string, number>;
  for (const { domain, version } of imports) {
    const key = isDefaultDomain(domain) ? "" : domain!;
    const number = Number(version ?? 0);
    if (key in opsets && opsets[key] !== number)
      throw invalidModel(`it imports two opsets of the domain "${key}": ${opsets[key]} and ${number}`);
    opsets[key] = number;
  }
  return opsets;
}

/** Whether a domain is ONNX's own. */
export function isDefaultDomain(domain: string | undefined): boolean {
  return domain === undefined || domain === "" || domain === "ai.onnx";
}

/** `Op`, or `domain:Op` outside of ONNX's own domain. */
export function operatorName(node: Message<"NodeProto">): string {
  return isDefaultDomain(node.domain) ? (node.opType ?? "") : `${node.domain}:${node.opType ?? ""}`;
}
