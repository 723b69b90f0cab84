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

/** A clock may be this far ahead of ours before we say so. */
export const maxClockAheadMs = 5 * 60_000;

/** Where a moment lies against what we keep: `[now - retention, now + 5 min]` is `kept`. */
export function timelinessOf(
  occurredAt: Date,
  now: Date,
  retentionDays: number,
): 'too-old' | 'kept' | 'in-future' {
  if (occurredAt.getTime() < now.getTime() - retentionDays * dayMs) return 'too-old';
  return occurredAt.getTime() > now.getTime() + maxClockAheadMs ? 'in-future' : 'kept';
}

/** Why a moment that a caller gave is not taken, `path` being where it stands; undefined when it is. */
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
