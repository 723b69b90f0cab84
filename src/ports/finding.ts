/** One result of examining a backend. */
export interface Finding {
  /**
   * `ok`: it works. `warning`: it works, and an operator should know. `failed`: Unseen cannot work with it.
   */
  readonly state: 'ok' | 'warning' | 'failed';
  /** The result, as a sentence without a full stop. */
  readonly found: string;
  /** What to do about it. Present unless the state is `ok`. */
  readonly fix?: string;
}

/** If clocks differ by more than this, in ms, events look late or early. */
export const maxClockDifferenceMs = 2_000;

/** Compares the clock of a backend with two readings of the local clock around it. */
export function clockFinding(theirs: Date, before: Date, after: Date): Finding {
  const ours = (before.getTime() + after.getTime()) / 2;
  const differenceMs = Math.round(theirs.getTime() - ours);
  const found = `its clock is ${Math.abs(differenceMs)} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} ours`;
  return Math.abs(differenceMs) <= maxClockDifferenceMs
    ? { state: 'ok', found }
    : { state: 'warning', found, fix: 'Synchronise both clocks by NTP.' };
}
