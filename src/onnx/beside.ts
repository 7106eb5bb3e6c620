// Files of tensors that lie beside a model. A model is not trusted: what it names is opened only in its own folder, or
// among the files that the caller gives.

import { type FileInput, type FileSource, openSource } from "../formats/source.js";
import { type AttributeProto, type GraphProto, type ModelProto, type NodeProto, OnnxError } from "./proto.js";
import type { TensorProto } from "./proto.js";

/** All tensors of a model. */
function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) yield* ofGraph(model.graph);
  for (const { nodes, defaults } of model.functions) {
    yield* ofNodes(nodes);
    yield* ofAttributes(defaults);
  }
}

function* ofGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializers;
  yield* ofNodes(graph.nodes);
}

function* ofNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const { attributes } of nodes) yield* ofAttributes(attributes);
}

function* ofAttributes(attributes: readonly AttributeProto[]): Generator<TensorProto> {
  for (const { tensor, tensors, graph, graphs } of attributes) {
    if (tensor !== undefined) yield tensor;
    yield* tensors;
    for (const each of graph === undefined ? graphs : [graph, ...graphs]) yield* ofGraph(each);
  }
}

/** Opens the files that a model's tensors name: those given by the caller, else those in the model's folder. */
export async function openBeside(
  model: ModelProto,
  file: FileInput,
  given: Readonly<Record<string, FileInput>> = {},
): Promise<Map<string, FileSource>> {
  const names = new Set<string>();
  for (const tensor of tensorsOf(model)) {
    const location = tensor.isExternal ? tensor.external.get("location") : undefined;
    if (location !== undefined) names.add(location);
  }
  const open = async (name: string): Promise<readonly [string, FileSource]> => {
    const own = Object.hasOwn(given, name) ? given[name] : await locate(file, name);
    return [name, await openSource(own)];
  };
  return new Map(await Promise.all([...names].map(open)));
}

/** A file in the folder of the model, which may not lead out of it. */
async function locate(file: FileInput, name: string): Promise<string | URL> {
  const outside = (): never => {
    throw new OnnxError(`the model's data are said to be in "${name}", which does not lie in its folder`);
  };
  if (!(typeof file === "string" || file instanceof URL))
    throw new OnnxError(
      `the model keeps data in the file "${name}": give it by the option externalData, as the model came without a folder`,
    );
  const parts = name.split(/[\\/]/);
  if (name.includes("\0") || /^([a-z]+:|[\\/])/i.test(name) || parts.includes("..")) outside();
  if (/^https?:/i.test(String(file))) return new URL(parts.map(encodeURIComponent).join("/"), String(file));
  const { realpath } = await import("node:fs/promises");
  const { dirname, join, sep } = await import("node:path");
  const { fileURLToPath } = await import("node:url");
  const path =
    file instanceof URL ? fileURLToPath(file) : file.startsWith("file:") ? fileURLToPath(file) : file;
  const folder = await realpath(dirname(path));
  const found = await realpath(join(folder, ...parts)).catch(() => {
    throw new OnnxError(`the model's data are said to be in "${name}", which is not there`);
  });
  // A link may lead anywhere.
  return found.startsWith(folder + sep) ? found : outside();
}
