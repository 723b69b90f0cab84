import type { Problem } from './problem.ts';
import type { UserKey } from './user.ts';

export interface PageView extends UserKey {
  /** uuid */
  readonly id: string;
  readonly name: string;
  readonly path: string | null;
  readonly subjectId: string | null;
  readonly occurredAt: Date;
  readonly receivedAt: Date;
}

export const dayMs = 86_400_000;

/** The maximum time, in ms, by which the clock of a client may be ahead of the clock of the server. */
export const maxClockAheadMs = 5 * 60_000;

/** Compares a time with the retention. The result is `kept` for times in `[now - retention, now + 5 min]`. */
export function timelinessOf(
  occurredAt: Date,
  now: Date,
  retentionDays: number,
): 'too-old' | 'kept' | 'in-future' {
  if (occurredAt.getTime() < now.getTime() - retentionDays * dayMs) return 'too-old';
  return occurredAt.getTime() > now.getTime() + maxClockAheadMs ? 'in-future' : 'kept';
}

/**
 * Returns why a time from a caller is refused. Undefined if the time is accepted. `path` is the place of the
 * time in the input.
 */
export function timelinessProblem(
  moment: Date,
  now: Date,
  retentionDays: number,
  path: readonly string[],
): Problem | undefined {
  const timeliness = timelinessOf(moment, now, retentionDays);
  const field = path.at(-1);
  switch (timeliness) {
    case 'too-old': {
      const message = `${field} lies before the retention of ${retentionDays} days.`;
      return { code: 'TOO_OLD', message, path };
    }
    case 'in-future': {
      const message = `${field} lies more than ${maxClockAheadMs / 60_000} minutes ahead of the server's clock.`;
      return { code: 'IN_FUTURE', message, path };
    }
    default:
      timeliness satisfies 'kept';
      return undefined;
  }
}
