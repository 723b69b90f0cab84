/** One thing an examination of a backend looked at. */
export interface Finding {
  /** - `warning`: works, and an operator should know. - `failed`: Unseen cannot work like this. */
  readonly state: 'ok' | 'warning' | 'failed';
  /** What was found, in a sentence without a full stop. */
  readonly found: string;
  /** What to do about it; with everything but `ok`. */
  readonly fix?: string;
}

/** Clocks further apart than this make events look late or early. */
export const maxClockDifferenceMs = 2_000;

/** What to make of a backend's clock, read between two readings of ours. */
export function clockFinding(theirs: Date, before: Date, after: Date): Finding {
  const ours = (before.getTime() + after.getTime()) / 2;
  const differenceMs = Math.round(theirs.getTime() - ours);
  const found = `its clock is ${Math.abs(differenceMs)} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} ours`;
  return Math.abs(differenceMs) <= maxClockDifferenceMs
    ? { state: 'ok', found }
    : { state: 'warning', found, fix: 'Synchronise both clocks by NTP.' };
}
