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

const dayMs = 86_400_000;

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
