// Connectionist temporal classification: the forward recursion over the steps, in logarithms (Graves, Fernandez, Gomez,
// Schmidhuber, 2006). The labels of an entry stand with blanks around them, "_ a _ b _"; the state is, for each place of
// that text, the logarithm of the probability of all ways to have come there.

import { iota, printShape, sameShape } from "../graph/node.js";
import { isInteger } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { type LossOptions, reduceLoss } from "./loss-reduction.js";
import { Normalisation } from "./normalisation.js";
import { recurrence } from "./recurrence.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export interface CtcLossOptions extends LossOptions {
  /** The class that stands for no label; default 0. */
  readonly blank?: number;
  /** Whether targets that the steps cannot spell cost nothing, instead of infinity; default false. */
  readonly zeroInfinity?: boolean;
}

/** One length for each entry of the batch. */
export type Lengths = Tensor | readonly number[];

/** Stands for the logarithm of 0: no difference of two of them is NaN. */
const IMPOSSIBLE = -1e30;

export abstract class SequenceLoss extends Normalisation {
  /**
   * The negative logarithm of the probability that the steps spell the target, blanks and repetitions apart. This holds
   * logarithms of probabilities [steps, batch, classes] (or [steps, classes]); targets are integers [batch, longest], or
   * [sum of the lengths] one after the other. Lengths, [batch], say how many steps and labels of an entry count. "mean"
   * divides by the target's length first. The gradient is the formula's; through logSoftmax it is PyTorch's.
   *
   * @example
   * const steps = Tensor.zeros([4, 1, 3]).logSoftmax(-1); // [steps, batch, classes]
   * steps.ctcLoss(Tensor.from([[1, 2]], { dtype: "int32" }), [4], [2], { reduction: "sum" }); // => 1.6864
   */
  ctcLoss(
    targets: Tensor,
    inputLengths: Lengths,
    targetLengths: Lengths,
    { blank = 0, zeroInfinity = false, reduction = "mean" }: CtcLossOptions = {},
  ): Tensor {
    if (this.ndim === 2) {
      const options = { blank, zeroInfinity, reduction };
      const one = this.unsqueeze(1) as SequenceLoss;
      const loss = one.ctcLoss(targets.unsqueeze(0), inputLengths, targetLengths, options);
      return reduction === "none" ? loss.squeeze(0) : loss;
    }
    if (this.ndim !== 3 || !isInteger(targets.dtype) || targets.ndim < 1 || targets.ndim > 2) {
      throw new TensorError(
        "ctcLoss: needs logarithms of probabilities [steps, batch, classes] and integer targets [batch, longest], " +
          `got ${this} and ${targets}`,
      );
    }
    const [steps, batch, classes] = this.sizes;
    if (steps === 0) throw new TensorError(`ctcLoss: ${this} has no steps`);
    if (!Number.isInteger(blank) || blank < 0 || blank >= classes)
      throw new TensorError(`ctcLoss: the blank ${blank} is none of the ${classes} classes of ${this}`);
    const times = this.lengths("inputLengths", inputLengths, batch, steps);
    const counts = this.lengths("targetLengths", targetLengths, batch, targets.sizeAt(-1));
    const labels = targets.ndim === 2 ? targets : this.rowsOf(targets, counts, targetLengths);
    if (labels.sizeAt(0) !== batch)
      throw new TensorError(`ctcLoss: ${this} has ${batch} entries, the targets are ${targets}`);

    const text = withBlanks(labels.cast("int32"), blank);
    const final = this.lastState(text, times, steps);
    // A target ends in its last label or the blank after it.
    const places = this.wrap(iota(text.shape, 1));
    const last = counts.mul(2).unsqueeze(1);
    const ends = places.eq(last).logicalOr(places.eq(last.sub(1)));
    const chance = ends.where(final, IMPOSSIBLE).logsumexp(1);
    const never = chance.lt(IMPOSSIBLE / 2);
    const losses = never.where(zeroInfinity ? 0 : Number.POSITIVE_INFINITY, chance.neg());
    const each = reduction === "mean" ? losses.div(counts.clamp(1).cast(losses.dtype)) : losses;
    return reduceLoss(each, reduction).cast(this.toFloats().dtype);
  }

  /** The state [batch, places] after each entry's steps. */
  private lastState(text: Tensor, times: Tensor, steps: number): Tensor {
    const [batch, places] = text.sizes;
    const wide = this.cast(accumulationType(this.toFloats().dtype));
    const index = text.unsqueeze(0).expand([steps, batch, places]);
    const logs = wide.gather(2, index).clamp(IMPOSSIBLE).contiguous();
    // A label may follow the one before without a blank between them if it is another.
    const skips = text.ne(shifted(text, 2, -1)).contiguous();
    const runs = this.wrap(iota([steps, batch, 1], 0))
      .lt(times.unsqueeze(1))
      .contiguous();
    const atStart = this.wrap(iota(text.shape, 1)).eq(0);
    const start = atStart.where(0, logs.select(0, 0).fullLike(IMPOSSIBLE));
    const [states] = recurrence([logs, runs], [start], ([own, running], [state]) => {
      const [one, two] = [shifted(state, 1, IMPOSSIBLE), shifted(state, 2, IMPOSSIBLE)];
      const skipped = skips.where(two, IMPOSSIBLE);
      const top = state.maximum(one).maximum(skipped).detach();
      const sum = [state, one, skipped].map((x) => x.sub(top).exp()).reduce((x, y) => x.add(y));
      return [running.where(sum.log().add(top).add(own), state)];
    });
    return states.select(0, steps - 1);
  }

  /** Lengths as int32 [batch]. Those that are known are checked. */
  private lengths(what: string, given: Lengths, batch: number, most: number): Tensor {
    const make = this.constructor as typeof Tensor;
    const isList = Array.isArray(given);
    if (isList && given.some((n) => !Number.isInteger(n) || n < 0 || n > most))
      throw new TensorError(`ctcLoss: ${what} must be integers in [0, ${most}], got [${given}]`);
    const lengths = isList ? make.from(given, { dtype: "int32" }) : (given as Tensor).cast("int32");
    const flat = lengths.ndim === 0 ? lengths.unsqueeze(0) : lengths;
    if (!sameShape(flat.shape, [batch]))
      throw new TensorError(`ctcLoss: ${what} should be ${printShape([batch])}, got ${lengths}`);
    return flat;
  }

  /** Targets one after the other as rows, as long as the longest if that is known. */
  private rowsOf(targets: Tensor, counts: Tensor, given: Lengths): Tensor {
    const longest = Array.isArray(given) ? Math.max(0, ...given) : targets.sizeAt(0);
    const starts = counts.cumsum(0).sub(counts).unsqueeze(1);
    return targets.take(starts.add(this.wrap(iota([counts.shape[0], longest], 1))));
  }
}

/** [batch, labels] with the blank before, between and after them: [batch, 2 * labels + 1]. */
function withBlanks(labels: Tensor, blank: number): Tensor {
  const pairs = labels.sub(blank).unsqueeze(-1).pad([[0, 0], [0, 0], [1, 0]]); // biome-ignore format: pairs
  return pairs.flatten(1).pad([[0, 0], [0, 1]]).add(blank); // biome-ignore format: pairs
}

/** Rows moved `by` places to the right. */
function shifted(x: Tensor, by: number, value: number): Tensor {
  const size = x.sizeAt(1);
  const rest = x.narrow(1, 0, Math.max(0, size - by));
  return rest.pad([[0, 0], [Math.min(by, size), 0]], { value }); // biome-ignore format: pairs
}
