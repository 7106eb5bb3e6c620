// Which C compiler there is, with which flags it is called, and what it says about the machine it compiles for.
//
// Asking the compiler costs two processes, so the answer is kept on disk, under the identity of compiler and CPU.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, readFileSync, realpathSync, statSync } from "node:fs";
import { arch, cpus } from "node:os";
import { delimiter, join } from "node:path";
import type { MatrixUnit } from "../../kernel/units.js";
import type { DiskCache } from "../disk-cache.js";

export interface Toolchain {
  readonly compiler: string;
  readonly version: string;
  /** Flags for all compiles. */
  readonly flags: readonly string[];
  readonly vectorBytes: number;
  readonly vectorRegisters: number;
  readonly fma: boolean;
  /** The processor converts between float16 and float32, and the compiler knows the type. */
  readonly half: boolean;
  /** Kinds of matrix units that the compiler knows and the processor has. */
  readonly units: readonly MatrixUnit["kind"][];
  readonly l1Bytes: number;
  readonly l2Bytes: number;
  /** Of the cache that cores share; 0 if there is none. */
  readonly l3Bytes: number;
  /** All that compiled code depends on besides its source. */
  readonly fingerprint: string;
}

/** Vectors are explicit, so that -O1 gives the code of -O3; fused multiply-adds need the expensive passes too. */
const CODE_FLAGS = [
  "-std=gnu11",
  "-O1",
  "-fexpensive-optimizations",
  "-ffp-contract=fast",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fwrapv",
  "-fno-strict-aliasing",
  "-fPIC",
  "-w",
  "-Wno-psabi",
];
/** How compilers spell "for this CPU". */
const NATIVE_FLAGS = [["-march=native"], ["-mcpu=native"], []];

/** The toolchain of this machine. Throws a plain sentence if there is none. */
export async function findToolchain(cache: DiskCache, command = process.env.BRISC_CC): Promise<Toolchain> {
  const compiler = findCompiler(command);
  const { size, mtimeMs } = statSync(compiler);
  const identity = [realpathSync(compiler), size, mtimeMs, cpuIdentity(), CODE_FLAGS.join(" ")].join("\n");
  const key = createHash("sha256").update(identity).digest("hex");
  const known = cache.read(`toolchain4-${key}`);
  if (known !== undefined) return JSON.parse(known.toString()) as Toolchain;
  const toolchain = await inspect(compiler);
  cache.write(`toolchain4-${key}`, Buffer.from(JSON.stringify(toolchain)));
  return toolchain;
}

function findCompiler(command: string | undefined): string {
  const names = command === undefined || command === "" ? ["cc", "gcc", "clang"] : [command];
  for (const name of names) {
    const places = name.includes("/")
      ? [""]
      : (process.env.PATH ?? "").split(delimiter).filter((p) => p !== "");
    for (const place of places) {
      const path = place === "" ? name : join(place, name);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here.
      }
    }
  }
  throw new Error(
    command === undefined || command === ""
      ? "the cpu device needs a C compiler, and neither cc nor gcc nor clang is on PATH; install one or set BRISC_CC"
      : `the cpu device needs a C compiler, and the one asked for (BRISC_CC), ${command}, is not an executable file`,
  );
}

/** The model's name alone would not do: virtual machines of one name differ in what they allow. */
function cpuIdentity(): string {
  let flags = "";
  try {
    const lines = readFileSync("/proc/cpuinfo", "utf8").split("\n\n")[0].split("\n");
    flags = lines.filter((line) => /^(cpu family|model|stepping|flags|Features)\b/.test(line)).join("\n");
  } catch {
    // Not Linux.
  }
  return [arch(), cpus()[0]?.model ?? "", flags].join("\n");
}

async function inspect(compiler: string): Promise<Toolchain> {
  const version = (await capture(compiler, ["--version"])).split("\n")[0];
  let failure: unknown;
  for (const native of NATIVE_FLAGS) {
    try {
      const macros = await capture(compiler, [...native, "-dM", "-E", "-x", "c", "-"]);
      const flags = [...native, ...CODE_FLAGS];
      const cpu = createHash("sha256").update(macros).update(cpuIdentity()).digest("hex").slice(0, 12);
      const fingerprint = `${version}; ${flags.join(" ")}; cpu ${cpu}`;
      return { compiler, version, flags, ...vectorFacts(macros), ...cacheSizes(), fingerprint };
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`the C compiler ${compiler} does not work: ${(failure as Error).message}`, {
    cause: failure,
  });
}

/** Runs the compiler with empty input and gives its output. */
function capture(compiler: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(compiler, args, { maxBuffer: 1 << 24 }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end();
  });
}

type VectorFacts = Pick<Toolchain, "vectorBytes" | "vectorRegisters" | "fma" | "half" | "units">;

function vectorFacts(macros: string): VectorFacts {
  const has = (name: string): boolean => macros.includes(`#define ${name} `);
  const units: MatrixUnit["kind"][] = [];
  if (has("__AMX_BF16__") && has("__AMX_INT8__")) units.push("amx");
  if (has("__AVX512VNNI__")) units.push("vnni");
  const half = has("__FLT16_MAX__") && (has("__F16C__") || has("__aarch64__"));
  const rest = { half, units };
  if (has("__AVX512F__")) return { vectorBytes: 64, vectorRegisters: 32, fma: true, ...rest };
  if (has("__AVX__")) return { vectorBytes: 32, vectorRegisters: 16, fma: has("__FMA__"), ...rest };
  if (has("__aarch64__")) return { vectorBytes: 16, vectorRegisters: 32, fma: true, ...rest };
  return { vectorBytes: 16, vectorRegisters: 16, fma: has("__FMA__"), ...rest };
}

/** Sizes of the first CPU's own data caches. */
function cacheSizes(): Pick<Toolchain, "l1Bytes" | "l2Bytes" | "l3Bytes"> {
  const sizes = new Map<number, number>([
    [1, 32 << 10],
    [2, 1 << 20],
  ]);
  for (let i = 0; i < 8; i++) {
    const file = (name: string): string =>
      readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${i}/${name}`, "utf8").trim();
    try {
      const unit = { K: 1 << 10, M: 1 << 20 }[file("size").slice(-1)] ?? 1;
      if (file("type") !== "Instruction")
        sizes.set(Number(file("level")), Number.parseInt(file("size"), 10) * unit);
    } catch {
      break;
    }
  }
  return { l1Bytes: sizes.get(1)!, l2Bytes: sizes.get(2)!, l3Bytes: sizes.get(3) ?? 0 };
}
