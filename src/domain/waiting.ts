/**
 * About so many records of a tenant wait for users who do not exist: partitions that are applied at the same time may each add
 * a batch more. A producer with wrong user ids fills no table: further ones are dead letters at once.
 */
export const maxWaitingOfTenant = 10_000;

const minLookMs = 1_000;
const maxLookMs = 10_000;

/** Since when a record waits, and until when. */
export interface Wait {
  readonly receivedAt: Date;
  readonly deadlineAt: Date;
}

/**
 * When to look again whether the user of a record exists: after as long as it has waited, 1 s at least and 10 s at most, and
 * at the deadline. Whatever creates a user says so; this finds those of whom nobody said it.
 */
export function nextLookAt({ receivedAt, deadlineAt }: Wait, now: Date): Date {
  const waited = now.getTime() - receivedAt.getTime();
  const next = now.getTime() + Math.min(maxLookMs, Math.max(minLookMs, waited));
  return new Date(Math.min(next, deadlineAt.getTime()));
}
