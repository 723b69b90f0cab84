const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * Returns the wait before try number `failures` + 1, in milliseconds. The wait doubles from 0.5 s up to 30 s.
 * The function subtracts a random part of up to half of the wait, so that browsers that lost the connection
 * together reconnect at different times.
 */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const ceilingMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  return Math.round(ceilingMs * (1 - random() / 2));
}
