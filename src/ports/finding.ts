/** One result of examining a backend. */
export interface Finding {
  /**
   * `ok`: the backend works. `warning`: the backend works, but an operator should know about the finding.
   * `failed`: Unseen cannot work with the backend.
   */
  readonly state: 'ok' | 'warning' | 'failed';
  /** The result, as a sentence without a full stop. */
  readonly found: string;
  /** What the operator should do. Present unless the state is `ok`. */
  readonly fix?: string;
}

/**
 * The greatest accepted difference between two clocks, in ms. With a greater difference, events seem to
 * happen too late or too early.
 */
export const maxClockDifferenceMs = 2_000;

/**
 * Compares the clock of a backend with two readings of the local clock: one before and one after the clock of
 * the backend was read.
 */
export function clockFinding(theirs: Date, before: Date, after: Date): Finding {
  const ours = (before.getTime() + after.getTime()) / 2;
  const differenceMs = Math.round(theirs.getTime() - ours);
  const found = `its clock is ${Math.abs(differenceMs)} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} ours`;
  return Math.abs(differenceMs) <= maxClockDifferenceMs
    ? { state: 'ok', found }
    : { state: 'warning', found, fix: 'Synchronise both clocks by NTP.' };
}
