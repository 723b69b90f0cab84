const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * How long to wait before try number `failures` + 1, in milliseconds: doubling from 0.5 s to 30 s, of which a random
 * half is taken off, so that browsers cut off together do not come back together.
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const ceilingMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  return Math.round(ceilingMs * (1 - random() / 2));
}
