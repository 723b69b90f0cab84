/**
 * The maximum number of records of a tenant that wait for users who do not exist. If several partitions are
 * applied at the same time, each may exceed the maximum by a batch. Further records become dead letters at
 * once, so a producer with wrong user ids cannot fill the table.
 */
export const maxWaitingOfTenant = 10_000;

const minLookMs = 1_000;
const maxLookMs = 10_000;

/** The start and the end of the wait of a record. */
export interface Wait {
  readonly receivedAt: Date;
  readonly deadlineAt: Date;
}

/**
 * Returns when to check again whether the user of a record exists. The wait until this check is as long as
 * the record has waited so far, at least 1 s and at most 10 s. The last check is at the deadline. Code that
 * creates a user also announces the user. The repeated check finds users whose announcement was lost.
 */
export function nextLookAt({ receivedAt, deadlineAt }: Wait, now: Date): Date {
  const waited = now.getTime() - receivedAt.getTime();
  const next = now.getTime() + Math.min(maxLookMs, Math.max(minLookMs, waited));
  return new Date(Math.min(next, deadlineAt.getTime()));
}
