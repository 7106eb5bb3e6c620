#!/usr/bin/env node
// The `brisc` program: finds the command, reads its options, and turns what happens into an exit code: 0 for success,
// 1 for a failure, 2 for wrong use, 130 where Ctrl-C stopped it.

import { type Command, helpOf, parseOptions, UsageError } from "./options.js";

// Commands load when they are called, so that `brisc --help` is quick.
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  devices: async () => (await import("./devices.js")).devicesCommand,
  run: async () => (await import("./run.js")).runCommand,
  "onnx info": async () => (await import("./onnx-info.js")).onnxInfoCommand,
  "train mnist": async () => (await import("./train-mnist.js")).trainMnistCommand,
  bench: async () => (await import("./bench.js")).benchCommand,
  cache: async () => (await import("./cache.js")).cacheCommand,
};

async function help(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    "brisc: a machine-learning compiler",
    "",
    "Usage: brisc COMMAND [options]",
    "",
    "Commands:",
    ...lines,
    "",
    "`brisc COMMAND --help` lists a command's options; `brisc --version` prints the version.",
    "BRISC_DEVICE chooses the device where --device does not; DEBUG=1 to 5 shows what the compiler does.",
  ].join("\n");
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  const [first, second] = args;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    console.log(await help());
    return 0;
  }
  if (first === "--version") {
    console.log((await import("./version.js")).VERSION);
    return 0;
  }
  const name = [`${first} ${second}`, first].find((candidate) => Object.hasOwn(COMMANDS, candidate));
  if (name === undefined) {
    const near = Object.keys(COMMANDS).filter((command) => command.startsWith(`${first} `));
    const advice = near.length > 0 ? `Did you mean \`brisc ${near[0]}\`?` : "`brisc --help` lists them.";
    throw new UsageError(`There is no command "${near.length > 0 ? args.join(" ") : first}". ${advice}`);
  }
  const command = await COMMANDS[name]();
  const values = parseOptions(command, args.slice(name.split(" ").length));
  if (values === undefined) {
    console.log(helpOf(command));
    return 0;
  }
  return command.run(values, signal);
}

/** Aborts at the first Ctrl-C; the second one ends the process where it is. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

// A reader that has seen enough (`brisc devices | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  process.exitCode = await run(process.argv.slice(2), interruption());
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`brisc: ${message}`);
  if (process.env.DEBUG && error instanceof Error) console.error(error.stack);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
