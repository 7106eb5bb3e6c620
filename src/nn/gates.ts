// One step of each kind of recurrent network, from what the input and the state before have become through their weights.

import type { Tensor } from "../tensor/tensor.js";

/** What a step gives on: the output h [batch, hidden], and for LSTM the cell c [batch, hidden]. */
export type State = readonly Tensor[];

/** How a kind of network goes on from its state: `x` and `h` are [batch, gates * hidden]. */
export interface Gates {
  /** How many times as wide as the state the products are. */
  readonly count: number;
  /** Whether there is a cell beside the output. */
  readonly cell: boolean;
  step(x: Tensor, h: Tensor, state: State): State;
}

export type Nonlinearity = "tanh" | "relu";

/** h' = tanh(x + h), or relu (Elman, 1990). */
export const elman = (nonlinearity: Nonlinearity): Gates => ({
  count: 1,
  cell: false,
  step: (x, h) => [nonlinearity === "tanh" ? x.add(h).tanh() : x.add(h).relu()],
});

/** Gates i, f, g, o: c' = f c + i g, h' = o tanh(c') (Hochreiter and Schmidhuber, 1997). */
export const lstm: Gates = {
  count: 4,
  cell: true,
  step(x, h, [, c]) {
    const [i, f, g, o] = x.add(h).chunk(4, -1);
    const cell = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return [o.sigmoid().mul(cell.tanh()), cell];
  },
};

/** Gates r, z, n: n = tanh(x + r h), h' = n + z (h - n) (Cho and others, 2014). */
export const gru: Gates = {
  count: 3,
  cell: false,
  step(x, h, [before]) {
    const [xr, xz, xn] = x.chunk(3, -1);
    const [hr, hz, hn] = h.chunk(3, -1);
    const n = xn.add(xr.add(hr).sigmoid().mul(hn)).tanh();
    return [n.add(xz.add(hz).sigmoid().mul(before.sub(n)))];
  },
};
