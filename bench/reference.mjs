// What the results must be at the sampled places, computed in double precision by the definition of each operation.

import { inputsOf, samplePlaces } from "./workloads.mjs";

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
  conv({ shapes: [[, inputs, height, width], [outputs]] }, [x, w]) {
    const at = (place) => {
      const channel = Math.floor(place / (height * width));
      const [row, column] = [Math.floor(place / width) % height, place % width];
      return sumOver(inputs * 9, (i) => {
        const [input, dy, dx] = [Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3];
        const [y, z] = [row + dy - 1, column + dx - 1];
        if (y < 0 || z < 0 || y >= height || z >= width) return 0;
        return x[(input * height + y) * width + z] * w[channel * inputs * 9 + i];
      });
    };
    return { size: outputs * height * width, at };
  },
};

/** undefined for training, whose losses are compared between libraries. */
export function referenceSample(workload) {
  if (workload.kind === "mnist") return undefined;
  const { size, at } = RULES[workload.kind](workload, inputsOf(workload));
  return samplePlaces(size).map(at);
}
