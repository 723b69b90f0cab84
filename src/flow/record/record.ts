import type { Caller } from '../../domain/caller.ts';
import { timelinessProblem } from '../../domain/page-view.ts';
import { refusalOf } from '../../domain/preference.ts';
import { type Problem, problemsOf, userNotFound } from '../../domain/problem.ts';
import { timingProblem } from '../../domain/timing.ts';
import { distinctUsers } from '../../domain/user.ts';
import { activityRecorded, activityTypeName, pageViewType } from '../../events/activity.ts';
import type { Event } from '../../events/event.ts';
import { itemViewed, maxItems } from '../../events/item-view.ts';
import { type NotificationSent, notificationSent } from '../../events/notification.ts';
import { pageViewed } from '../../events/page-view.ts';
import { name } from '../../events/text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { IdempotencyStore } from '../../ports/store/idempotency.ts';
import type { PreferenceStore } from '../../ports/store/preferences.ts';
import { answerOf, conflict, digestOf, eventIdOf, keyIdentity, problemsIn } from './idempotency.ts';
import { createQuotas, type Quotas, unlimited } from './quota.ts';

/** The `source` of events that callers record through the API. */
const source = 'api';

/** A page view or another activity that a caller reports. */
export interface PageViewInput {
  readonly userId: string;
  readonly name: string;
  /** Absent: now. */
  readonly occurredAt?: Date | undefined;
  readonly path?: string | undefined;
  readonly subjectId?: string | undefined;
  /** The type of the activity. Defaults to a page view. Other types count only in the metrics. */
  readonly activityType?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The path of this input in the arguments of the mutation. Problems contain the path. */
  readonly at: readonly string[];
}

/** Items that a user viewed. The caller has checked that `userId` is a valid name. */
export interface ItemViewsInput {
  readonly userId: string;
  readonly collection: string;
  readonly itemIds: readonly string[];
  /** Absent: now. */
  readonly occurredAt?: Date | undefined;
}

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

/**
 * The ids of the recorded events, in the order of the input, and the problems of the refused inputs. The
 * recorded events are durable.
 */
export interface Recorded {
  readonly eventIds: readonly string[];
  readonly problems: readonly Problem[];
}

interface RecordDeps {
  readonly log: EventLog;
  readonly store: PreferenceStore & IdempotencyStore;
  readonly clock: Clock;
}

interface RecordOptions {
  readonly retentionDays: number;
  readonly lockedCategories?: readonly string[];
  /** Defaults to no quotas. */
  readonly quotas?: Pick<Quotas, 'activity' | 'notifications'>;
}

/** The dependencies and options of a step, with the defaults filled in. */
interface Context extends RecordDeps, Required<RecordOptions> {}

/**
 * Creates the functions that record events. The functions validate inputs, give each event its id, and append
 * the events to the log. When a call resolves, the recorded events are durable. A worker applies them shortly
 * afterwards. A call rejects with UNAVAILABLE if it is unknown whether the events were recorded. The caller
 * then retries with the same idempotency key.
 */
export function createRecord(
  deps: RecordDeps,
  { retentionDays, lockedCategories = [], quotas = createQuotas(deps, unlimited) }: RecordOptions,
) {
  const context: Context = { ...deps, retentionDays, lockedCategories, quotas };
  return {
    /** Records the valid views. Returns a problem for each refused view. */
    pageViews: (caller: Caller, mutation: string, inputs: readonly PageViewInput[]): Promise<Recorded> =>
      recordPageViews(context, caller, mutation, inputs),

    /**
     * Records that a user viewed items of a collection, as one event. The items need not be published. A
     * repeated call changes nothing.
     */
    itemViews: (caller: Caller, input: ItemViewsInput): Promise<Recorded> =>
      recordItemViews(context, caller, input),

    /**
     * Records one notification if the user exists and can receive it. The id of the notification is the id of
     * the event.
     */
    notification: (caller: Caller, mutation: string, input: NotificationInput): Promise<Recorded> =>
      recordNotifications(context, caller, mutation, {
        ...input,
        named: input.userId,
        addressees: [{ userId: input.userId, at: ['input', 'userId'] }],
      }),

    /**
     * Records one notification for each user who exists and can receive it. Returns a problem for every other
     * user. The idempotency key is for the whole call. A repeated call returns the first answer, even if
     * users have changed their preferences since then.
     */
    notifications: (caller: Caller, mutation: string, input: NotificationsInput): Promise<Recorded> =>
      recordNotifications(context, caller, mutation, {
        ...input,
        named: input.userIds,
        addressees: input.userIds.map((userId, n) => ({
          userId,
          at: ['input', 'userIds', String(n)],
          ofMany: true,
        })),
      }),
  };
}

export type Record = ReturnType<typeof createRecord>;

/** The event of a page view that passed the checks, with its input. */
interface AcceptedView {
  readonly event: Event;
  readonly input: PageViewInput;
}

async function recordPageViews(
  context: Context,
  caller: Caller,
  mutation: string,
  inputs: readonly PageViewInput[],
): Promise<Recorded> {
  const { log, clock, retentionDays, quotas } = context;
  const now = clock.now();
  const problems: Problem[] = [];
  const accepted: AcceptedView[] = [];
  for (const input of inputs) {
    const event = pageViewOf(caller, mutation, input, now);
    if ('problems' in event) {
      problems.push(...event.problems);
      continue;
    }
    const user = { tenantId: caller.tenantId, userId: input.userId };
    const problem =
      timelinessProblem(input.occurredAt ?? now, now, retentionDays, [...input.at, 'occurredAt']) ??
      quotas.activity.take(user, 1, input.at);
    if (problem && !(await wasAccepted(context, caller, mutation, input))) problems.push(problem);
    else accepted.push({ event, input });
  }
  const keyed = accepted.filter(({ input }) => input.idempotencyKey !== undefined);
  const conflicting = new Set(
    keyed.length > 0 ? await bindViewKeys(context, caller, mutation, keyed, now) : [],
  );
  for (const { input } of conflicting) problems.push(conflict([...input.at, 'idempotencyKey']));
  const events = accepted.filter((view) => !conflicting.has(view)).map(({ event }) => event);
  await log.append(events);
  return { eventIds: events.map(({ id }) => id), problems };
}

/**
 * Whether a page view with the same key and input was accepted before. If so, the repeated call gets the same
 * answer, even if the view is too old now.
 */
async function wasAccepted(
  { store }: Context,
  caller: Caller,
  mutation: string,
  input: PageViewInput,
): Promise<boolean> {
  const { idempotencyKey: key } = input;
  return (
    key !== undefined && (await store.boundDigest(keyIdentity(caller, mutation, key))) === digestOfView(input)
  );
}

/** Binds the keys of page views to their inputs. Returns the views whose key is bound to other input. */
async function bindViewKeys(
  { store }: Context,
  caller: Caller,
  mutation: string,
  views: readonly AcceptedView[],
  now: Date,
): Promise<readonly AcceptedView[]> {
  const keys = views.map(({ input }) => ({
    ...keyIdentity(caller, mutation, input.idempotencyKey as string),
    digest: digestOfView(input),
  }));
  const bound = await store.bindKeys(keys, now);
  return views.filter((_, index) => bound[index] !== keys[index]?.digest);
}

async function recordItemViews(
  { log, clock, retentionDays, quotas }: Context,
  caller: Caller,
  input: ItemViewsInput,
): Promise<Recorded> {
  const now = clock.now();
  const { userId, collection, occurredAt = now } = input;
  if (input.itemIds.length > maxItems) {
    const message = `itemIds must have 1 to ${maxItems} entries.`;
    return {
      eventIds: [],
      problems: [{ code: 'TOO_MANY_ITEMS', message, path: ['input', 'itemIds'] }],
    };
  }
  const data = itemViewed.data.safeParse({ collection, itemIds: [...new Set(input.itemIds)] });
  if (!data.success) return { eventIds: [], problems: problemsOf(data.error, ['input']) };
  const untimely = timelinessProblem(occurredAt, now, retentionDays, ['input', 'occurredAt']);
  if (untimely) return { eventIds: [], problems: [untimely] };
  const exceeded = quotas.activity.take({ tenantId: caller.tenantId, userId }, data.data.itemIds.length, [
    'input',
  ]);
  if (exceeded) return { eventIds: [], problems: [exceeded] };
  const event: Event = {
    id: eventIdOf(caller, 'recordItemViews', undefined, now),
    source,
    type: itemViewed.type,
    tenantId: caller.tenantId,
    userId,
    occurredAt,
    data: data.data,
    schemaVersion: itemViewed.schemaVersion,
  };
  await log.append([event]);
  return { eventIds: [event.id], problems: [] };
}

/** One notification and the users to notify. */
interface Sending extends Pick<NotificationInput, 'content' | 'idempotencyKey'> {
  /** The user ids as they appear in the input, for the digest. */
  readonly named: unknown;
  readonly addressees: readonly Addressee[];
}

async function recordNotifications(
  context: Context,
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
  { quotas }: Context,
  tenantId: string,
  addressees: readonly Addressee[],
): readonly Problem[] {
  return addressees.flatMap(({ userId, at }) => quotas.notifications.take({ tenantId, userId }, 1, at) ?? []);
}

/** Returns the problems of the users who cannot receive this notification. */
async function refusals(
  { store, lockedCategories }: Context,
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

function pageViewOf(
  caller: Caller,
  mutation: string,
  input: PageViewInput,
  now: Date,
): Event | { readonly problems: readonly Problem[] } {
  // The user id of a token was validated when the token was verified.
  if (input.userId !== caller.subject) {
    const userId = name.safeParse(input.userId);
    if (!userId.success) return { problems: problemsOf(userId.error, [...input.at, 'userId']) };
  }
  const data = pageViewed.data.safeParse(input);
  if (!data.success) return { problems: problemsOf(data.error, input.at) };
  const { activityType = pageViewType } = input;
  const activity = activityType === pageViewType ? undefined : activityTypeName.safeParse(activityType);
  if (activity?.error) return { problems: problemsOf(activity.error, [...input.at, 'activityType']) };
  // Writes each event as a full literal. Spreading the common fields would take more time than the rest of
  // this function.
  const id = eventIdOf(caller, mutation, input.idempotencyKey, now);
  const { tenantId } = caller;
  const { userId, occurredAt = now } = input;
  if (activity) {
    const { type, schemaVersion } = activityRecorded;
    return { id, source, type, tenantId, userId, occurredAt, data: { activityType }, schemaVersion };
  }
  const { type, schemaVersion } = pageViewed;
  return { id, source, type, tenantId, userId, occurredAt, data: data.data, schemaVersion };
}

/** Returns the users without a problem. */
function accepted(addressees: readonly Addressee[], problems: readonly Problem[]): readonly Addressee[] {
  const refused = new Set(problems.map(({ path }) => path.join()));
  return addressees.filter(({ at }) => !refused.has(at.join()));
}

function invalidUserId(what: string, path: readonly string[]): Problem {
  return { code: 'INVALID_INPUT', message: `userId ${what}.`, path };
}

function digestOfView({
  userId,
  name,
  occurredAt,
  path,
  subjectId,
  activityType = pageViewType,
}: PageViewInput): string {
  const view = [userId, name, occurredAt, path, subjectId];
  return digestOf(activityType === pageViewType ? view : [...view, activityType]);
}
