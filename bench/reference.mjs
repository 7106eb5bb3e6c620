// What the results must be at the sampled places, computed in double precision by the definition of each operation.

import { CHAIN, inputsOf, samplePlaces, TOP, trains } from "./workloads.mjs";

function sumOver(n, term) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += term(i);
  return sum;
}

const RULES = {
  matmul({ shapes: [[rows, depth], [, columns]] }, [x, y]) {
    const at = (place) => {
      const [row, column] = [Math.floor(place / columns), place % columns];
      return sumOver(depth, (k) => x[row * depth + k] * y[k * columns + column]);
    };
    return { size: rows * columns, at };
  },
  softmax({ shapes: [[rows, n]] }, [x]) {
    const at = (place) => {
      const start = place - (place % n);
      return Math.exp(x[place]) / sumOver(n, (i) => Math.exp(x[start + i]));
    };
    return { size: rows * n, at };
  },
  layerNorm({ shapes: [[rows, n]] }, [x, weight, bias]) {
    const at = (place) => {
      const start = place - (place % n);
      const mean = sumOver(n, (i) => x[start + i]) / n;
      const variance = sumOver(n, (i) => (x[start + i] - mean) ** 2) / n;
      return ((x[place] - mean) / Math.sqrt(variance + 1e-5)) * weight[place % n] + bias[place % n];
    };
    return { size: rows * n, at };
  },
  sum: (_, [x]) => ({ size: 1, at: () => sumOver(x.length, (i) => x[i]) }),
  fused: (_, [a, b, c, d]) => ({
    size: a.length,
    at: (i) => Math.max(a[i] * b[i] + c[i], 0) * d[i],
  }),
  eager: (_, [x, y]) => ({ size: x.length, at: (i) => x[i] + y[i] }),
  chain: (_, [x, y]) => ({ size: x.length, at: (i) => x[i] + CHAIN * y[i] }),
  sumRows: ({ shapes: [[rows, n]] }, [x]) => ({
    size: n,
    at: (column) => sumOver(rows, (row) => x[row * n + column]),
  }),
  conv({ shapes: [[batch, inputs, height, width], [outputs, group, kernel]], padding }, [x, w]) {
    const terms = group * kernel ** 2;
    const perGroup = outputs / (inputs / group);
    const at = (place) => {
      const image = Math.floor(place / (outputs * height * width));
      const channel = Math.floor(place / (height * width)) % outputs;
      const [row, column] = [Math.floor(place / width) % height, place % width];
      return sumOver(terms, (i) => {
        const input = Math.floor(channel / perGroup) * group + Math.floor(i / kernel ** 2);
        const [y, z] = [row + (Math.floor(i / kernel) % kernel) - padding, column + (i % kernel) - padding];
        if (y < 0 || z < 0 || y >= height || z >= width) return 0;
        return x[((image * inputs + input) * height + y) * width + z] * w[channel * terms + i];
      });
    };
    return { size: batch * outputs * height * width, at };
  },
  attention({ shapes: [[, heads, tokens, depth]] }, [q, k, v]) {
    const at = (place) => {
      const [row, e] = [Math.floor(place / depth), place % depth];
      const head = row - (row % tokens);
      const scores = Array.from(
        { length: tokens },
        (_, j) => sumOver(depth, (d) => q[row * depth + d] * k[(head + j) * depth + d]) / Math.sqrt(depth),
      );
      const largest = Math.max(...scores);
      const parts = scores.map((score) => Math.exp(score - largest));
      const total = parts.reduce((a, b) => a + b);
      return sumOver(tokens, (j) => (parts[j] / total) * v[(head + j) * depth + e]);
    };
    return { size: heads * tokens * depth, at };
  },
  transpose: ({ shapes: [[rows, n]] }, [x]) => ({
    size: rows * n,
    at: (place) => x[(place % rows) * n + Math.floor(place / rows)],
  }),
  strided: (_, [x]) => ({ size: x.length / 2, at: (place) => x[2 * place] }),
  gather: ({ shapes: [[, n]] }, [x, index]) => ({
    size: index.length * n,
    at: (place) => x[index[Math.floor(place / n)] * n + (place % n)],
  }),
  cumsum: (_, [x]) => ({ size: x.length, at: (place) => sumOver(place + 1, (i) => x[i]) }),
  sort(_, [x]) {
    const sorted = Float32Array.from(x).sort();
    return { size: x.length, at: (place) => sorted[place] };
  },
  topk({ shapes: [[rows, n]] }, [x]) {
    const at = (place) => {
      const row = Math.floor(place / TOP);
      return x.slice(row * n, (row + 1) * n).sort()[n - 1 - (place % TOP)];
    };
    return { size: rows * TOP, at };
  },
};

/** undefined for training, whose losses are compared between libraries. */
export function referenceSample(workload) {
  if (trains(workload)) return undefined;
  const { size, at } = RULES[workload.kind](workload, inputsOf(workload));
  return samplePlaces(size).map(at);
}
