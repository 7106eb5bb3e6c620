// Forward values and gradients against PyTorch, on every device: what the test file of each family of cases calls.

import { describe, expect, it } from "vitest";
import { readNode, registerDevice, storeBytes } from "../../src/engine/engine.js";
import { availableDevices, grad, Tensor } from "../../src/index.js";
import { isFloat } from "../../src/scalar/dtype.js";
import { LimitedDevice } from "../devices/limited.js";
import { cotangentOf, difference, type FixtureCase, type FixtureTensor, readFixtures } from "./compare.js";

registerDevice("limited", async () => new LimitedDevice());

/** What a case's call means where it is not simply a method of its first input. */
export type Operation = (inputs: readonly Tensor[], args: readonly unknown[]) => Tensor | readonly Tensor[];
export type Operations = Readonly<Record<string, Operation>>;

/** The options that a case ends with. */
export const optionsOf = (args: readonly unknown[]): Readonly<Record<string, unknown>> =>
  (args[args.length - 1] ?? {}) as Readonly<Record<string, unknown>>;

/** Why a device skips a case; undefined if it runs it. */
function skipReason(device: string, { inputs, outputs }: FixtureCase): string | undefined {
  const wide = [...inputs, ...outputs].some((tensor) => tensor.dtype === "float64");
  return device === "limited" && wide ? "WebGPU has no float64" : undefined;
}

const asTensor = ({ dtype, shape, bytes }: FixtureTensor): Tensor =>
  Tensor.ofNode(storeBytes(bytes, dtype, shape));

/** JSON has no infinities. */
const asArgument = (value: unknown): unknown => (value === "-inf" ? Number.NEGATIVE_INFINITY : value);

function call(fixture: FixtureCase, operations: Operations, inputs: readonly Tensor[]): readonly Tensor[] {
  const args = fixture.args.map(asArgument);
  const operation = operations[fixture.call];
  let result: unknown;
  if (operation !== undefined) result = operation(inputs, args);
  else {
    const [first, ...rest] = inputs;
    const method = (first as unknown as Record<string, unknown>)[fixture.call];
    if (typeof method !== "function") throw new Error(`Tensor has no method ${fixture.call}`);
    result = method.apply(first, [...rest, ...args]);
  }
  return result instanceof Tensor ? [result] : (result as readonly Tensor[]);
}

/** The sum that the fixtures take gradients of: every floating element times its cotangent. */
function contract(tensors: readonly Tensor[]): Tensor {
  const terms = tensors
    .filter((x) => isFloat(x.dtype))
    .map((x) => x.mul(Tensor.from(cotangentOf(x.size), { dtype: x.dtype }).reshape(x.shape)).sum());
  return terms.reduce((sum, term) => sum.add(term));
}

/** What a result is called, the result, and what it should be. */
type Check = readonly [string, Tensor, FixtureTensor];

async function check(
  what: string,
  actual: Tensor,
  expected: FixtureTensor,
  fixture: FixtureCase,
  device: string,
) {
  expect({ what, dtype: actual.dtype, shape: actual.shape }).toEqual({
    what,
    dtype: expected.dtype,
    shape: expected.shape,
  });
  const bytes = await readNode(actual.node, { device });
  const found = difference(bytes, expected, fixture.tolerance);
  if (found !== undefined) throw new Error(`${what}: ${found}`);
}

/** Gradients with respect to the inputs at `places`; of the second order, the gradients of their own contraction. */
function gradientsOf(
  fixture: FixtureCase,
  operations: Operations,
  inputs: readonly Tensor[],
  places: readonly number[],
): Tensor[] {
  let total = (...given: Tensor[]): Tensor => contract(call(fixture, operations, given));
  for (let order = 1; order < fixture.order; order++) {
    const gradients = grad(total, places);
    total = (...given) => contract(gradients(...given));
  }
  return grad(total, places)(...inputs);
}

async function run(fixture: FixtureCase, operations: Operations, device: string): Promise<void> {
  const inputs = fixture.inputs.map(asTensor);
  const outputs = call(fixture, operations, inputs);
  expect(outputs.length).toBe(fixture.outputs.length);
  const checks = outputs.map((x, i): Check => [`output ${i}`, x, fixture.outputs[i]]);
  const expected = fixture.gradients ?? [];
  const places = inputs.map((_, i) => i).filter((i) => expected[i] !== undefined);
  if (places.length > 0) {
    const gradients = gradientsOf(fixture, operations, inputs, places);
    checks.push(...places.map((i, k): Check => [`gradient ${i}`, gradients[k], expected[i]!]));
  }
  await Tensor.realize(
    checks.map(([, x]) => x),
    { device },
  );
  for (const [what, x, reference] of checks) await check(what, x, reference, fixture, device);
}

/** A test for each case of a family on each device. */
export async function conformance(family: string, operations: Operations = {}): Promise<void> {
  const fixtures = readFixtures(family);
  for (const { name: device, available, reason } of await availableDevices()) {
    describe.skipIf(!available)(`${device}${available ? "" : ` (not available: ${reason})`}`, () => {
      for (const fixture of fixtures) {
        const skip = skipReason(device, fixture);
        const title = skip === undefined ? fixture.name : `${fixture.name} (skipped: ${skip})`;
        it.skipIf(skip !== undefined)(title, () => run(fixture, operations, device));
      }
    });
  }
}
