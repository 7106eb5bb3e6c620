// What the engine is told from outside: read from the environment once, here. Nothing in it changes what is computed;
// what code depends on (threads, the compiler) is read by the device it concerns and is part of its target.

export interface Config {
  /** The device asked for by BRISC_DEVICE. */
  readonly device: string | undefined;
  /** DEBUG=0..5: see docs/debugging.md. */
  readonly debug: number;
  /** BEAM=n: schedules are searched with a beam of n; 0 for no search. See docs/search.md. */
  readonly beam: number;
  /** BRISC_SCHEDULES: `stored` for those that searches found, where there are any; `heuristic` for none of them. */
  readonly schedules: "stored" | "heuristic";
}

function read(): Config {
  const env: Record<string, string | undefined> = typeof process === "object" ? process.env : {};
  const debug = Number(env.DEBUG ?? 0);
  const beam = Number(env.BEAM ?? 0);
  return {
    device: env.BRISC_DEVICE || undefined,
    debug: Number.isInteger(debug) && debug >= 0 ? debug : 0,
    beam: Number.isInteger(beam) && beam >= 0 ? beam : 0,
    schedules: env.BRISC_SCHEDULES === "heuristic" ? "heuristic" : "stored",
  };
}

let config: Config | undefined;

export function getConfig(): Config {
  config ??= read();
  return config;
}

/** Changes part of the configuration for this process. */
export function configure(changes: Partial<Config>): void {
  config = { ...getConfig(), ...changes };
}
