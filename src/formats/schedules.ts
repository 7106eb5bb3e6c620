// Files of schedules that a search found, to be shipped with a program.

import { exportSchedules, useSchedules } from "../engine/engine.js";
import { FileError, type FileInput, openSource } from "./source.js";
import { writeFile } from "./write.js";

/**
 * Takes the schedules of a file: kernels that are compiled from now on, and for which it has one, are not scheduled by
 * the heuristics. Gives how many schedules there were. One made for another machine with the same vectors is used too;
 * one that does not apply is left aside. Results never depend on schedules, but for the order of sums.
 *
 * @example
 * await saveSchedules(`${folder}/schedules.json`);
 * (await loadSchedules(`${folder}/schedules.json`)) >= 0; // => true
 */
export async function loadSchedules(input: FileInput): Promise<number> {
  const source = await openSource(input);
  const text = new TextDecoder().decode(await source.read(0, source.size));
  try {
    return useSchedules(text, source.name);
  } catch (error) {
    throw new FileError((error as Error).message);
  }
}

/** Writes all schedules that searches found on this machine, or that were loaded, to a file. */
export async function saveSchedules(path: string): Promise<void> {
  await writeFile(path, [new TextEncoder().encode(await exportSchedules())]);
}
