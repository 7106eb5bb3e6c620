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
}

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
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
  const values: Record<string, string | boolean | undefined> = {};
  for (const token of tokens) {
    if (token.kind === "positional") throw new UsageError(`"${token.value}" was not expected. ${advice}`);
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
    values[token.name] = token.value ?? true;
  }
  return values.help === true ? undefined : values;
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
  return `brisc ${command.name}: ${command.summary}\n\nOptions:\n${lines.join("\n")}`;
}

export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
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
