// Loads koffi, the one optional native dependency, on first use only: importing brisc must not.

type Native = (...args: readonly (number | string)[]) => unknown;

/** What brisc uses of koffi. */
export interface Koffi {
  load(path: string): { func(prototype: string): Native };
  /** Where the bytes of a typed array or array buffer are. */
  address(value: ArrayBufferView): bigint;
}

let loading: Promise<Koffi> | undefined;

/** Rejects with a plain sentence where koffi is not installed or has no binary for this machine. */
export function loadKoffi(): Promise<Koffi> {
  loading ??= import("koffi").then(
    (module) => module.default as unknown as Koffi,
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
      throw new Error(`the cpu device needs the optional package koffi, which cannot be loaded: ${reason}`, {
        cause,
      });
    },
  );
  return loading;
}
