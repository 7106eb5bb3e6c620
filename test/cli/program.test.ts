// The `brisc` program as it is built: what it prints and with which code it ends.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

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
    for (const command of ["devices", "train mnist", "bench", "cache"])
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
