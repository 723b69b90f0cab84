import type { Notification } from './notification.ts';
import type { Problem } from './problem.ts';

const yearMs = 366 * 86_400_000;

/**
 * Returns the problem of a time that is more than a year in the future. `name` is the caller's name of the
 * time.
 */
function tooFarAhead(name: string, at: Date, now: Date): Omit<Problem, 'path'> | undefined {
  if (at.getTime() <= now.getTime() + yearMs) return undefined;
  return { code: 'IN_FUTURE', message: `${name} must be at most one year in the future.` };
}

const endsBefore = (expiresAt: Date | null | undefined, comesAt: Date): Omit<Problem, 'path'> | undefined =>
  expiresAt && expiresAt <= comesAt
    ? { code: 'INVALID_INPUT', message: 'expiresAt must be after the delivery.' }
    : undefined;

/** Checks the delivery time and the expiry of a notification that is sent now. */
export function timingProblem(
  {
    scheduledFor,
    expiresAt,
  }: { readonly scheduledFor?: Date | undefined; readonly expiresAt?: Date | undefined },
  now: Date,
): Problem | undefined {
  const far = scheduledFor && tooFarAhead('scheduledFor', scheduledFor, now);
  if (far) return { ...far, path: ['input', 'scheduledFor'] };
  const ended = endsBefore(expiresAt, scheduledFor && scheduledFor > now ? scheduledFor : now);
  return ended && { ...ended, path: ['input', 'content', 'expiresAt'] };
}

type Changed =
  | Notification
  | { readonly problem: Omit<Problem, 'path'> & { readonly path?: readonly string[] } };

/** Snoozes a notification. The notification arrives again at the time `until`. */
export function snooze(row: Notification, until: Date, now: Date): Changed {
  if (row.seq === null || row.status !== 'DELIVERED') return { problem: notThere };
  if (row.archivedAt)
    return { problem: { code: 'CONFLICT', message: 'The notification is archived. Unarchive it first.' } };
  if (until <= now) {
    return {
      problem: { code: 'INVALID_INPUT', message: 'until must be in the future.', path: ['input', 'until'] },
    };
  }
  const far = tooFarAhead('until', until, now);
  return far ? { problem: { ...far, path: ['input', 'until'] } } : { ...row, snoozedUntil: until };
}

/** Cancels a notification before its delivery. Canceling again changes nothing. */
export function cancel(row: Notification): Changed {
  if (row.status === 'CANCELED') return row;
  return row.status === 'SCHEDULED' ? { ...row, status: 'CANCELED' } : { problem: whyNotStillToCome(row) };
}

/** Reschedules a notification. If the new time is in the past, the notification is delivered at once. */
export function reschedule(row: Notification, scheduledFor: Date, now: Date): Changed {
  if (row.status !== 'SCHEDULED') return { problem: whyNotStillToCome(row) };
  const wrong = tooFarAhead('scheduledFor', scheduledFor, now) ?? endsBefore(row.expiresAt, scheduledFor);
  return wrong ? { problem: { ...wrong, path: ['input', 'scheduledFor'] } } : { ...row, scheduledFor };
}

export const notThere = { code: 'NOT_FOUND', message: 'No such notification.' } as const;

function whyNotStillToCome({ seq, status }: Notification): Omit<Problem, 'path'> {
  if (seq !== null) return { code: 'ALREADY_DELIVERED', message: 'The notification was already delivered.' };
  return { code: 'CONFLICT', message: `The notification is ${status}, not SCHEDULED.` };
}
