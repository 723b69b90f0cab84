/**
 * The most records of a tenant that wait for users who do not exist. Partitions that are applied at the same time may each
 * exceed it by a batch. Further records become dead letters at once, so a producer with wrong user ids cannot fill the table.
 */
export const maxWaitingOfTenant = 10_000;

const minLookMs = 1_000;
const maxLookMs = 10_000;

/** The moments between which a record waits. */
export interface Wait {
  readonly receivedAt: Date;
  readonly deadlineAt: Date;
}

/**
 * When to check again whether the user of a record exists: after the time it has waited so far, at least 1 s and at most 10 s,
 * and at the deadline. Code that creates a user announces the user. This check finds users whose announcement was lost.
 */
export function nextLookAt({ receivedAt, deadlineAt }: Wait, now: Date): Date {
  const waited = now.getTime() - receivedAt.getTime();
  const next = now.getTime() + Math.min(maxLookMs, Math.max(minLookMs, waited));
  return new Date(Math.min(next, deadlineAt.getTime()));
}
