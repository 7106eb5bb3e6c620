import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (name: string) => fileURLToPath(new URL(`src/${name}`, import.meta.url));

export default defineConfig({
  // The examples import the package by its name, as users do.
  resolve: {
    alias: {
      "brisc/datasets": source("datasets/index.ts"),
      "brisc/onnxruntime": source("onnx/session.ts"),
      "brisc/onnx": source("onnx/index.ts"),
      brisc: source("index.ts"),
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    // What a user's own searches have found must not decide what is tested.
    env: { BRISC_SCHEDULES: "heuristic" },
    // BRISC_TEST_SCHEDULES=random tests everything on schedules drawn at random.
    setupFiles: process.env.BRISC_TEST_SCHEDULES === "random" ? ["test/schedule/random-candidates.ts"] : [],
  },
});
