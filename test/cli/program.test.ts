// The `brisc` program as it is built: what it prints and with which code it ends.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, describe, expect, it } from "vitest";
import { loadNpy, saveNpy, Tensor } from "../../src/index.js";
import { writeModel } from "../onnx/write.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
// Beside dist/, so that it finds package.json and its dependencies as the published program does.
const folder = mkdtempSync(join(root, "dist-test-"));
spawnSync(process.execPath, ["scripts/build.mjs", "--no-types", "--outdir", basename(folder)], { cwd: root });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function brisc(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, "cli.js"), ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBUG: undefined },
  });
  return { status, stdout, stderr };
}

describe("the program", () => {
  it("helps", () => {
    const { status, stdout, stderr } = brisc("--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const command of ["devices", "run", "onnx info", "train mnist", "bench", "cache"])
      expect(stdout).toContain(`  ${command} `);
    expect(brisc().stdout).toBe(stdout);
    expect(brisc("train", "mnist", "--help").stdout).toContain("--epochs N");
  });

  it("gives its version", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(brisc("--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    [["frob"], 'brisc: There is no command "frob". `brisc --help` lists them.\n'],
    [["train", "cifar"], 'brisc: There is no command "train cifar". Did you mean `brisc train mnist`?\n'],
    [["bench", "--fast"], "brisc: There is no option --fast. `brisc bench --help` lists the options.\n"],
    [["train", "mnist", "--epochs", "0"], 'brisc: --epochs must be a whole number of at least 1, not "0".\n'],
    [["train", "mnist", "--device", "gpu"], /^brisc: There is no device "gpu"; there are cpu, wasm, /],
  ])("answers wrong use in a sentence, and ends with 2: %j", (args, message) => {
    const { status, stdout, stderr } = brisc(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
    if (typeof message === "string") expect(stderr).toBe(message);
  });

  it.each([
    [["train", "mnist", "--data", "/nowhere"], "brisc: the folder /nowhere cannot be read"],
    [["train", "mnist", "--save", "/nowhere/x"], "brisc: /nowhere/x could not be saved"],
  ])("ends with 1 where something fails: %j", (args, message) => {
    const { status, stderr } = brisc(...args);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  it("says what compiled code is kept, and removes it", () => {
    const directory = mkdtempSync(join(folder, "cache-"));
    const before = process.env.BRISC_CACHE_DIR;
    process.env.BRISC_CACHE_DIR = directory;
    try {
      writeFileSync(join(directory, `${"0".repeat(32)}.code`), Buffer.alloc(3 << 20));
      writeFileSync(join(directory, "schedules.json"), "{}");
      const kept = `${directory}: 1 file, 3.0 MB of at most 1024.0 MB (BRISC_CACHE_MB)\n`;
      expect(brisc("cache")).toEqual({ status: 0, stdout: kept, stderr: "" });
      expect(brisc("cache", "--clear").stdout).toBe(`${directory}: removed 1 file, 3.0 MB\n`);
      expect(readdirSync(directory)).toEqual(["schedules.json"]);
    } finally {
      if (before === undefined) delete process.env.BRISC_CACHE_DIR;
      else process.env.BRISC_CACHE_DIR = before;
    }
  });

  it("lists the devices", () => {
    const { status, stdout } = brisc("devices");
    expect(status).toBe(0);
    for (const name of ["cpu", "wasm", "interpreter"])
      expect(stdout).toMatch(new RegExp(`^[* ] ${name} `, "m"));
    expect(stdout.match(/^\* \w/gm)?.length).toBe(1);
  });

  it("stops at Ctrl-C and saves what it has", async () => {
    const file = join(folder, "stopped.safetensors");
    const args = [
      "train",
      "mnist",
      "--device",
      "wasm",
      "--limit",
      "2560",
      "--epochs",
      "1000",
      "--save",
      file,
    ];
    const child = spawn(process.execPath, [join(folder, "cli.js"), ...args]);
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      if (output === "") setTimeout(() => child.kill("SIGINT"), 1000);
      output += data;
    });
    const [code] = await once(child, "exit");
    expect(output).toMatch(/^Stopped after \d+ of 20000 steps; the weights are in /m);
    expect(code).toBe(130);
    expect(existsSync(file)).toBe(true);
  });

  it("trains, and says how well", () => {
    const file = join(folder, "mnist.safetensors");
    const args = ["--device", "wasm", "--limit", "2560", "--epochs", "1", "--save", file];
    const { status, stdout, stderr } = brisc("train", "mnist", ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^100 % {2}epoch 1\/1 {2}loss [\d.]+ {2}accuracy [\d.]+ % {2}[\d,]+ images\/s$/m);
    const [, accuracy] = stdout.match(/^Test accuracy ([\d.]+) % \([\d,]+ of 10,000 digits/m) ?? [];
    expect(Number(accuracy)).toBeGreaterThan(80);
    expect(stdout).toContain(`Saved to ${file}\n`);
    expect(existsSync(file)).toBe(true);
  });
});

describe("ONNX models", () => {
  const file = join(folder, "double.onnx");
  writeFileSync(
    file,
    writeModel({
      graph: {
        inputs: { x: ["float32", ["n", 2]] },
        outputs: { "y/0": ["float32", ["n", 2]] },
        nodes: [{ op: "Add", inputs: ["x", "x"], outputs: ["y/0"] }],
      },
    }),
  );
  const x = join(folder, "x.npy");

  it("run with arrays from files", async () => {
    await saveNpy(
      x,
      Tensor.from([
        [1, 2],
        [3, 4.5],
      ]),
    );
    const result = {
      "y/0": {
        type: "float32",
        shape: [2, 2],
        data: [
          [2, 4],
          [6, 9],
        ],
      },
    };
    const { status, stdout } = brisc(
      "run",
      file,
      "--input",
      `x=${x}`,
      "--output",
      "json",
      "--device",
      "wasm",
    );
    expect({ status, result: JSON.parse(stdout) }).toEqual({ status: 0, result });
    expect(brisc("run", file, "--input", `x=${x}`).stdout).toBe("y/0: float32[2,2] 2 4 6 9\n");
    expect(brisc("run", file, "--input", `x=${x}`, "--output", "npy", "--folder", folder).status).toBe(0);
    expect(await (await loadNpy(join(folder, "y_0.npy"))).tolist()).toEqual([
      [2, 4],
      [6, 9],
    ]);
  });

  it("run with random numbers of the sizes asked for", () => {
    const run = (...args: string[]) =>
      brisc("run", file, "--size", "n=3", "--output", "json", ...args).stdout;
    expect(JSON.parse(run())["y/0"].shape).toEqual([3, 2]);
    expect(run("--seed", "5")).toBe(run("--seed", "5"));
    expect(run("--seed", "5")).not.toBe(run("--seed", "6"));
  });

  it("run on pictures", async () => {
    const model = join(folder, "picture.onnx");
    writeFileSync(
      model,
      writeModel({
        graph: {
          inputs: { image: ["float32", [1, 3, 2, 1]] },
          outputs: ["y"],
          nodes: [{ op: "Identity", inputs: ["image"], outputs: ["y"] }],
        },
      }),
    );
    const picture = join(folder, "two.png");
    const data = Uint8Array.of(255, 0, 51, 0, 102, 255);
    writeFileSync(picture, encode({ width: 1, height: 2, channels: 3, data }));
    const { stdout, stderr } = brisc("run", model, "--input", `image=${picture}`, "--output", "json");
    expect(stderr).toBe("");
    const values = JSON.parse(stdout).y.data.flat(3) as number[];
    expect(values.map((value) => Math.round(255 * value))).toEqual([255, 0, 0, 102, 51, 255]);
  });

  it("say what they are made of", () => {
    const { status, stdout } = brisc("onnx", "info", file, "--size", "n=4");
    expect(status).toBe(0);
    expect(stdout).toContain("inputs:\n  x: float32[n, 2]\noutputs:\n  y/0: float32[n, 2]\n");
    expect(stdout).toContain("operators: 1\n      1  Add\nparameters: 0 (0B)\n");
    expect(stdout).toContain("a run: 8FLOP, 64B moved, 1 kernels after fusion");
  });

  it.each([
    [["run", file, "--input", "z=random"], 2, "The model has no input z; its inputs are x."],
    [
      ["run", file, "--input", "x=y.txt"],
      2,
      '--input x must be a .npy or .png file or "random", not "y.txt".',
    ],
    [["run", "/nowhere.onnx"], 1, "/nowhere.onnx"],
    [["onnx", "info", x], 1, "not an ONNX model"],
  ])("say what is wrong: %j", (args, status, message) => {
    const got = brisc(...args);
    expect(got.stderr).toContain(message);
    expect(got.status).toBe(status);
  });
});
