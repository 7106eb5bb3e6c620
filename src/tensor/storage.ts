// What tensors share: a storage holds the current value of some elements as a node. Assigning gives it a new value;
// nodes built before keep the old one. Tensors are views of storages, so that all views see an assignment.

import type { Node } from "../graph/node.js";
import type { Tensor } from "./tensor.js";

let nextSerial = 1;

/** The serial number that the next storage gets. */
export const upcomingSerial = (): number => nextSerial;

export class TensorStorage {
  /** Counts assignments. */
  version = 0;
  /** The tensor whose gradient the elements' value wants. */
  wantsGradient: Tensor | undefined;
  /** Increases from storage to storage. */
  readonly serial = nextSerial++;

  constructor(private node: Node) {
    // Whoever else has the node must not give its memory back.
    node.readers++;
  }

  /** The value now. */
  get current(): Node {
    tracker?.read(this, this.node);
    return this.node;
  }

  /** The value now, unseen by a tracker. */
  peek(): Node {
    return this.node;
  }

  /** Gives the storage another value. */
  replace(node: Node): void {
    const before = this.node;
    const { version } = this;
    recordUndo(() => {
      this.node = before;
      this.version = version;
    });
    tracker?.assigned(this, before);
    this.node = node;
    this.version++;
  }

  /** Gives the storage the value it would have had, had a captured step been built. */
  advance(node: Node): void {
    this.node = node;
    this.version++;
  }
}

// Assigned values are computed with whatever is read next: a loop that assigns at every turn (weights, running
// statistics) would otherwise carry all its turns along. Held weakly, as nobody may ever look at them.
let assigned: WeakRef<TensorStorage>[] = [];

/** To be called when a storage was assigned a value outside of a captured function. */
export function computeWithNextRead(storage: TensorStorage): void {
  if (tracker === undefined) assigned.push(new WeakRef(storage));
}

/** The values assigned since the last call that still wait to be computed. */
export function assignedNodes(): Node[] {
  if (assigned.length === 0) return [];
  const nodes = assigned.flatMap((reference) => reference.deref()?.peek() ?? []);
  assigned = [];
  return nodes.filter((node) => node.storage === undefined);
}

/** Watches what a piece of user code reads and writes, so that it can be captured (see jit.ts). */
export interface StorageTracker {
  read(storage: TensorStorage, node: Node): void;
  assigned(storage: TensorStorage, before: Node): void;
  /** How to take a change back, in case the code is run again. */
  undo(restore: () => void): void;
}

let tracker: StorageTracker | undefined;

export function setStorageTracker(next: StorageTracker | undefined): StorageTracker | undefined {
  const before = tracker;
  tracker = next;
  return before;
}

export const isTracked = (): boolean => tracker !== undefined;

/** To be called before any change of state that tensors carry, with the way to take it back. */
export function recordUndo(restore: () => void): void {
  tracker?.undo(restore);
}
