// The generator MT19937 (Matsumoto and Nishimura, 1998), started by one number: dropout's masks in the standard's tests are
// drawn by it.

const SIZE = 624;
const MIDDLE = 397;

/** Uniform numbers in [0, 1) of 53 random bits, two words each. */
export function uniformNumbers(count: number, seed: number): Float64Array {
  const next = randomWords(seed);
  return Float64Array.from({ length: count }, () => {
    const [high, low] = [next() >>> 5, next() >>> 6];
    return (high * 2 ** 26 + low) / 2 ** 53;
  });
}

/** Random words of 32 bits, one at a call. */
function randomWords(seed: number): () => number {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let i = 1; i < SIZE; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let at = SIZE;
  return () => {
    if (at === SIZE) {
      renew(state);
      at = 0;
    }
    let word = state[at++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}

function renew(state: Uint32Array): void {
  for (let i = 0; i < SIZE; i++) {
    const joined = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
    state[i] = state[(i + MIDDLE) % SIZE] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
  }
}
