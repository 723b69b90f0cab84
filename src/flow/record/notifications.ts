import type { Caller } from '../../domain/caller.ts';
import { refusalOf } from '../../domain/preference.ts';
import { type Problem, problemsOf, userNotFound } from '../../domain/problem.ts';
import { timingProblem } from '../../domain/timing.ts';
import { distinctUsers } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import { type NotificationSent, notificationSent } from '../../events/notification.ts';
import { name } from '../../events/text.ts';
import { type RecordContext, type Recorded, source } from './context.ts';
import { answerOf, conflict, digestOf, eventIdOf, keyIdentity, problemsIn } from './idempotency.ts';

export interface NotificationInput {
  readonly userId: string;
  readonly content: unknown;
  readonly idempotencyKey?: string | undefined;
}

export interface NotificationsInput extends Pick<NotificationInput, 'content' | 'idempotencyKey'> {
  readonly userIds: readonly string[];
}

/** A user to notify, and the path of the user id in the arguments of the mutation. */
interface Addressee {
  readonly userId: string;
  readonly at: readonly string[];
  /** Whether the idempotency key is for a call with several users. */
  readonly ofMany?: true;
}

/** One notification and the users to notify. */
interface Sending extends Pick<NotificationInput, 'content' | 'idempotencyKey'> {
  /** The user ids as they appear in the input, for the digest. */
  readonly named: unknown;
  readonly addressees: readonly Addressee[];
}

/** Records one notification for each user who can receive it. */
export async function recordNotifications(
  context: RecordContext,
  caller: Caller,
  mutation: string,
  { content, idempotencyKey, named, addressees }: Sending,
): Promise<Recorded> {
  const { log, store, clock } = context;
  const now = clock.now();
  const parsed = notificationSent.data.safeParse(content);
  if (!parsed.success) return { eventIds: [], problems: problemsOf(parsed.error, ['input', 'content']) };
  const { data } = parsed;
  const digest = digestOf([named, data]);
  const key = idempotencyKey === undefined ? undefined : keyIdentity(caller, mutation, idempotencyKey);
  // A repeated call appends its events again, because the first append may have failed. A repeated call also
  // skips all checks, so that it returns the first answer. A call binds its key only if at least one
  // notification is accepted.
  let answer = key && (await store.boundDigest(key));
  if (answer === undefined) {
    const untimely = timingProblem(data, now);
    const problems = untimely
      ? [untimely]
      : [...(await refusals(context, caller.tenantId, addressees, data))];
    if (!untimely) problems.push(...exceeded(context, caller.tenantId, accepted(addressees, problems)));
    if (untimely || accepted(addressees, problems).length === 0) return { eventIds: [], problems };
    answer = answerOf(digest, problems);
    if (key) [answer = ''] = await store.bindKeys([{ ...key, digest: answer }], now);
  }
  const problems = problemsIn(answer, digest);
  if (!problems) return { eventIds: [], problems: [conflict(['input', 'idempotencyKey'])] };
  const events = accepted(addressees, problems).map(
    ({ userId, ofMany }): Event => ({
      id: eventIdOf(caller, mutation, idempotencyKey, now, ofMany && userId),
      source,
      type: notificationSent.type,
      tenantId: caller.tenantId,
      userId,
      occurredAt: now,
      data,
      schemaVersion: notificationSent.schemaVersion,
    }),
  );
  await log.append(events);
  return { eventIds: events.map(({ id }) => id), problems };
}

/**
 * Returns a problem for each user who has reached the daily quota. For every other user, the quota counts one
 * notification.
 */
function exceeded(
  { quotas }: RecordContext,
  tenantId: string,
  addressees: readonly Addressee[],
): readonly Problem[] {
  return addressees.flatMap(({ userId, at }) => quotas.notifications.take({ tenantId, userId }, 1, at) ?? []);
}

/** Returns the problems of the users who cannot receive this notification. */
async function refusals(
  { store, lockedCategories }: RecordContext,
  tenantId: string,
  addressees: readonly Addressee[],
  content: NotificationSent['data'],
): Promise<readonly Problem[]> {
  const valid = addressees.filter(({ userId }) => name.safeParse(userId).success);
  const users = await store.recipients(distinctUsers(valid.map(({ userId }) => ({ tenantId, userId }))));
  const byId = new Map(users.map((user) => [user.userId, user]));
  const seen = new Set<string>();
  return addressees.flatMap(({ userId, at: path }): readonly Problem[] => {
    const parsed = name.safeParse(userId);
    if (!parsed.success) {
      return parsed.error.issues.map((issue) => invalidUserId(issue.message, path));
    }
    if (seen.has(userId))
      return [{ code: 'INVALID_INPUT', message: 'Duplicate userId in this request.', path }];
    seen.add(userId);
    const user = byId.get(userId);
    if (!user) return [userNotFound(path)];
    const refusal = refusalOf(user, content, lockedCategories);
    return refusal === undefined ? [] : [{ code: 'OPTED_OUT', message: refusal, path }];
  });
}

/** Returns the users without a problem. */
function accepted(addressees: readonly Addressee[], problems: readonly Problem[]): readonly Addressee[] {
  const refused = new Set(problems.map(({ path }) => path.join()));
  return addressees.filter(({ at }) => !refused.has(at.join()));
}

function invalidUserId(what: string, path: readonly string[]): Problem {
  return { code: 'INVALID_INPUT', message: `userId ${what}.`, path };
}
