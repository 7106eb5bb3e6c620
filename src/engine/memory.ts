// Plans memory within one command list: temporaries whose lifetimes do not overlap share a slot.

/** A buffer that lives from the command that first uses it to the one that last does. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface SlotPlan {
  /** For each lifetime, its slot. */
  readonly slots: readonly number[];
  /** Bytes of each slot. */
  readonly sizes: readonly number[];
}

/**
 * Assigns slots greedily, largest buffer first, each to the slot that it fits best among those free over its whole
 * lifetime (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020, greedy by size).
 */
export function planSlots(lifetimes: readonly Lifetime[]): SlotPlan {
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || a - b);
  const slots: number[] = new Array(lifetimes.length);
  const sizes: number[] = [];
  const tenants: Lifetime[][] = [];
  for (const i of order) {
    const life = lifetimes[i];
    const free = (slot: number): boolean =>
      tenants[slot].every((other) => other.last < life.first || life.last < other.first);
    let best = -1;
    for (let slot = 0; slot < sizes.length; slot++) {
      if (free(slot) && (best < 0 || sizes[slot] < sizes[best])) best = slot;
    }
    if (best < 0) {
      best = sizes.length;
      sizes.push(life.bytes);
      tenants.push([]);
    }
    slots[i] = best;
    tenants[best].push(life);
  }
  return { slots, sizes };
}
