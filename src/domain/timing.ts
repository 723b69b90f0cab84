import type { Notification } from './notification.ts';
import type { Problem } from './problem.ts';

const yearMs = 366 * 86_400_000;

/** Why a notification cannot be put off until then; `name` is what the caller calls the moment. */
function tooFarAhead(name: string, at: Date, now: Date): Omit<Problem, 'path'> | undefined {
  if (at.getTime() <= now.getTime() + yearMs) return undefined;
  return { code: 'IN_FUTURE', message: `${name} lies more than a year ahead of the server's clock.` };
}

const endsBefore = (expiresAt: Date | null | undefined, comesAt: Date): Omit<Problem, 'path'> | undefined =>
  expiresAt && expiresAt <= comesAt
    ? { code: 'INVALID_INPUT', message: 'expiresAt must be later than the moment it comes.' }
    : undefined;

/** When something that is sent now may come and end. */
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

/** Put off: it arrives again then. */
export function snooze(row: Notification, until: Date, now: Date): Changed {
  if (row.seq === null || row.status !== 'DELIVERED') return { problem: notThere };
  if (row.archivedAt)
    return { problem: { code: 'CONFLICT', message: 'It is archived: unarchive it first.' } };
  if (until <= now) {
    return { problem: { code: 'INVALID_INPUT', message: 'until must lie ahead.', path: ['input', 'until'] } };
  }
  const far = tooFarAhead('until', until, now);
  return far ? { problem: { ...far, path: ['input', 'until'] } } : { ...row, snoozedUntil: until };
}

/** Taken back before it came; taking it back again changes nothing. */
export function cancel(row: Notification): Changed {
  if (row.status === 'CANCELED') return row;
  return row.status === 'SCHEDULED' ? { ...row, status: 'CANCELED' } : { problem: whyNotStillToCome(row) };
}

/** Moved; to now or the past: it comes at once. */
export function reschedule(row: Notification, scheduledFor: Date, now: Date): Changed {
  if (row.status !== 'SCHEDULED') return { problem: whyNotStillToCome(row) };
  const wrong = tooFarAhead('scheduledFor', scheduledFor, now) ?? endsBefore(row.expiresAt, scheduledFor);
  return wrong ? { problem: { ...wrong, path: ['input', 'scheduledFor'] } } : { ...row, scheduledFor };
}

export const notThere = { code: 'NOT_FOUND', message: 'No such notification.' } as const;

function whyNotStillToCome({ seq, status }: Notification): Omit<Problem, 'path'> {
  if (seq !== null) return { code: 'ALREADY_DELIVERED', message: 'It has reached the inbox.' };
  return { code: 'CONFLICT', message: `It is not still to come: it is ${status}.` };
}
