// What a command of the `brisc` program is: its name, its options, and the plain sentences that wrong use is answered
// with.

import { parseArgs } from "node:util";

/** Wrong use of the command line: the message goes to stderr, the exit code is 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

export interface OptionSpec {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help, such as `N`. */
  readonly value?: string;
  readonly help: string;
  /** May be given several times. */
  readonly many?: boolean;
}

/** Under "argument" what stands without a name before it. */
export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** What it is called with beside options, which must be given. */
  readonly argument?: { readonly value: string; readonly help: string };
  /** Gives the exit code. Stops early, and cleanly, once the signal is aborted. */
  run(values: OptionValues, signal: AbortSignal): Promise<number>;
}

const HELP: OptionSpec = { type: "boolean", help: "print this help" };

/** Reads a command's arguments strictly; undefined if help was asked for. */
export function parseOptions(command: Command, args: readonly string[]): OptionValues | undefined {
  const advice = `\`brisc ${command.name} --help\` lists the options.`;
  const { tokens } = parseArgs({
    args: [...args],
    options: optionTypes(command),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const values: Record<string, string | boolean | string[] | undefined> = {};
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (command.argument === undefined || values.argument !== undefined)
        throw new UsageError(`"${token.value}" was not expected. ${advice}`);
      values.argument = token.value;
    }
    if (token.kind !== "option") continue;
    const spec = token.name === "help" ? HELP : command.options[token.name];
    if (spec === undefined || !token.rawName.startsWith("--")) {
      throw new UsageError(`There is no option ${token.rawName}. ${advice}`);
    }
    if (spec.type === "string" && (token.value === undefined || token.value === "")) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${spec.value}. ${advice}`);
    }
    if (spec.type === "boolean" && token.value !== undefined) {
      throw new UsageError(`${token.rawName} takes no value. ${advice}`);
    }
    const before = values[token.name];
    values[token.name] = spec.many
      ? [...(Array.isArray(before) ? before : []), token.value!]
      : (token.value ?? true);
  }
  if (values.help === true) return undefined;
  if (command.argument !== undefined && values.argument === undefined)
    throw new UsageError(`${command.argument.value}, ${command.argument.help}, is missing. ${advice}`);
  return values;
}

function optionTypes(command: Command): Record<string, { type: "string" | "boolean" }> {
  const entries = Object.entries({ ...command.options, help: HELP });
  return Object.fromEntries(entries.map(([name, { type }]) => [name, { type }]));
}

export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.options, help: HELP }).map(
    ([name, spec]) => [`--${name}${spec.value === undefined ? "" : ` ${spec.value}`}`, spec.help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  const { argument } = command;
  const usage =
    argument === undefined
      ? ""
      : `\n\nUsage: brisc ${command.name} ${argument.value} [options]\n  ${argument.value}: ${argument.help}`;
  return `brisc ${command.name}: ${command.summary}${usage}\n\nOptions:\n${lines.join("\n")}`;
}

export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** An option that may be given several times: name=value each. */
export function pairOptions(values: OptionValues, name: string): Map<string, string> {
  const list = values[name];
  const pairs = new Map<string, string>();
  for (const text of Array.isArray(list) ? (list as readonly string[]) : []) {
    const at = text.lastIndexOf("=");
    if (at <= 0 || at === text.length - 1)
      throw new UsageError(`--${name} takes a name and a value, such as x=1, not "${text}".`);
    pairs.set(text.slice(0, at), text.slice(at + 1));
  }
  return pairs;
}

export const flagOption = (values: OptionValues, name: string): boolean => values[name] === true;

export function integerOption(values: OptionValues, name: string, fallback: number, least: number): number {
  const text = textOption(values, name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name} must be a whole number of at least ${least}, not "${text}".`);
  }
  return value;
}

export function positiveOption(values: OptionValues, name: string, fallback: number): number {
  const text = textOption(values, name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new UsageError(`--${name} must be a number above 0, not "${text}".`);
  }
  return value;
}
