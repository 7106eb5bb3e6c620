// The libraries that are measured, in the order of the report. Each is loaded only in its own process.

export const PEERS = {
  "brisc cpu": { open: async (threads) => (await import("./brisc.mjs")).open(threads, "cpu") },
  "brisc wasm": { open: async (threads) => (await import("./brisc.mjs")).open(threads, "wasm") },
  "onnxruntime-node": {
    open: async (threads) => (await import("./onnxruntime.mjs")).open(threads, { web: false }),
  },
  "onnxruntime-web": {
    open: async (threads) => (await import("./onnxruntime.mjs")).open(threads, { web: true }),
  },
  "tfjs wasm": { open: async () => (await import("./tfjs.mjs")).open() },
  "jax-js wasm": { open: async (threads) => (await import("./jax.mjs")).open(threads) },
};
