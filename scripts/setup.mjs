// What the other scripts need first: a Node that is new enough, the dependencies installed, the package built.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a program from the project's root; ends this one with its exit code where it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function checkNode() {
  const wanted = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.node.replace(">=", "");
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = wanted.split(".").map(Number);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    fail(`brisc needs Node ${wanted} or newer; this is Node ${process.versions.node}.`);
  }
}

const packagesIn = (file) => JSON.parse(readFileSync(file, "utf8")).packages;

/** Whether node_modules in a folder holds just what its lock file says. Packages for other platforms may be missing. */
export function isInstalled(folder) {
  const installedLock = join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(installedLock)) return false;
  const wanted = packagesIn(join(folder, "package-lock.json"));
  const present = packagesIn(installedLock);
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    if (path === "") continue;
    if (present[path] === undefined ? !optional : present[path].version !== version) return false;
  }
  return Object.keys(present).every((path) => wanted[path] !== undefined);
}

export function install() {
  checkNode();
  if (isInstalled(root)) return;
  console.log("Installing dependencies (npm ci) ...");
  run("npm", ["ci", "--include=dev", "--include=optional"], { shell: process.platform === "win32" });
}

function newestChange(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

/** Bundles the package if its sources changed; without declarations, which only users of the library need. */
export function build() {
  const sources = ["src", "package.json", "scripts/build.mjs"].map((name) => join(root, name));
  const target = join(root, "dist", "cli.js");
  if (existsSync(target) && statSync(target).mtimeMs > Math.max(...sources.map(newestChange))) return;
  console.log("Building ...");
  run(process.execPath, [join(root, "scripts", "build.mjs"), "--no-types"]);
}
