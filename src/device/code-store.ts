// Code kept between processes under all that it was made from: the kernel as it was fused, the target, and the build of
// brisc itself. What is found here needs no scheduling, no lowering and no code generator.

import { parseProgram } from "../kernel/parse.js";
import { printProgram } from "../kernel/print.js";
import { factsOf, type ProgramFacts } from "../lower/program.js";
import { contentHash, type DiskCache } from "./disk-cache.js";
import type { Target } from "./target.js";

export interface KeptCode {
  readonly program: ProgramFacts;
  /** As the device gave it. */
  readonly code: Buffer;
}

export class CodeStore {
  private readonly made: string;

  constructor(
    private readonly cache: DiskCache,
    target: Target,
    build: string,
  ) {
    this.made = JSON.stringify([build, { ...target, dtypes: [...target.dtypes] }]);
  }

  /** What was kept under a key; undefined if there is nothing, or nothing sound. */
  read(key: string): KeptCode | undefined {
    const content = this.cache.read(this.nameOf(key));
    if (content === undefined) return undefined;
    try {
      const split = 4 + content.readUInt32LE(0);
      const program = parseProgram(content.toString("utf8", 4, split));
      return { program, code: content.subarray(split) };
    } catch {
      return undefined;
    }
  }

  /** What cannot be kept, since the disk is full, say, is made again by the next process. */

  write(key: string, program: ProgramFacts, code: Uint8Array): void {
    const facts = factsOf(program);
    const phases = facts.phases.map((phase) => ({ ...phase, body: [] }));
    const text = Buffer.from(printProgram({ ...facts, phases }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    try {
      this.cache.write(this.nameOf(key), Buffer.concat([length, text, code]));
    } catch {
      return;
    }
  }

  private nameOf(key: string): string {
    return `${contentHash(this.made, key)}.code`;
  }
}
