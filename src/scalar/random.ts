// Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011):
// two counter words become two random words under a key of two.

/** Rotations of rounds 0 to 7; they repeat. */
export const THREEFRY_ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
/** The third key word is this xor the other two. */
export const THREEFRY_PARITY = 0x1bd11bda;

export function threefry2x32(
  counter0: number,
  counter1: number,
  key0: number,
  key1: number,
): readonly [number, number] {
  const key = [key0, key1, THREEFRY_PARITY ^ key0 ^ key1];
  let x = (counter0 + key0) | 0;
  let y = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = THREEFRY_ROTATIONS[round % 8];
    x = (x + y) | 0;
    y = ((y << rotation) | (y >>> (32 - rotation))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + key[injection % 3]) | 0;
      y = (y + key[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}
