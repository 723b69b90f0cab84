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

/** `source` of the events this door writes. */
const source = 'api';

/** A page view, or another activity, as a caller reports it. */
export interface PageViewInput {
  readonly userId: string;
  readonly name: string;
  /** Absent: now. */
  readonly occurredAt?: Date | undefined;
  readonly path?: string | undefined;
  readonly subjectId?: string | undefined;
  /** Absent: a page view. Another counts in the metrics only. */
  readonly activityType?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Where it stands in the mutation's arguments, for problems. */
  readonly at: readonly string[];
}

/** Items a caller says a user viewed; the user id is a name. */
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

/** Who is to be told, and where that stands in the mutation's arguments. */
interface Addressee {
  readonly userId: string;
  readonly at: readonly string[];
  /** One of several that a key stands for. */
  readonly ofMany?: true;
}

/** What was recorded: the ids of the events, now durable, in the order of the input; and why the others were not. */
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
  /** Default: any number. */
  readonly quotas?: Pick<Quotas, 'activity' | 'notifications'>;
}

/** The dependencies and options of a step, with the defaults filled in. */
interface Context extends RecordDeps, Required<RecordOptions> {}

/**
 * The way in: validates, gives the event its id and appends it to the log. When it resolves, what it names is durable; it
 * is applied a moment later. Rejects with UNAVAILABLE: unknown whether recorded, retry with the same idempotency key.
 */
export function createRecord(
  deps: RecordDeps,
  { retentionDays, lockedCategories = [], quotas = createQuotas(deps, unlimited) }: RecordOptions,
) {
  const context: Context = { ...deps, retentionDays, lockedCategories, quotas };
  return {
    /** Records the views that are valid; the others are problems. */
    pageViews: (caller: Caller, mutation: string, inputs: readonly PageViewInput[]): Promise<Recorded> =>
      recordPageViews(context, caller, mutation, inputs),

    /** Records that a user viewed items of a collection, published or not: one event. Repeating it changes nothing. */
    itemViews: (caller: Caller, input: ItemViewsInput): Promise<Recorded> =>
      recordItemViews(context, caller, input),

    /** Records one notification; its id is the event's. Only for users that exist and can receive it. */
    notification: (caller: Caller, mutation: string, input: NotificationInput): Promise<Recorded> =>
      recordNotifications(context, caller, mutation, {
        ...input,
        named: input.userId,
        addressees: [{ userId: input.userId, at: ['input', 'userId'] }],
      }),

    /**
     * Records one notification for each user that exists and can receive it; the others are problems. A key stands for the
     * call: a repeat has its whole answer, whatever the users have chosen meanwhile.
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

/** A page view that passed the checks, with the input it came from. */
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

/** Whether the same input came with the same key before, in time: a repeat has the answer of the first. */
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

/** The same notification for each of the addressees. */
interface Sending extends Pick<NotificationInput, 'content' | 'idempotencyKey'> {
  /** How the caller named the addressees. */
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
  // A call that was accepted before has its events appended again, in case the first append was lost, and nothing is
  // checked anew, so that it keeps its answer. Only a call of which something is accepted binds its key.
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

/** The addressees for whom the day has no room. */
function exceeded(
  { quotas }: Context,
  tenantId: string,
  addressees: readonly Addressee[],
): readonly Problem[] {
  return addressees.flatMap(({ userId, at }) => quotas.notifications.take({ tenantId, userId }, 1, at) ?? []);
}

/** Why some are not sent to. */
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
    if (seen.has(userId)) return [invalidUserId('stands in this call twice', path)];
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
  // What a token says has been a name since it was verified.
  if (input.userId !== caller.subject) {
    const userId = name.safeParse(input.userId);
    if (!userId.success) return { problems: problemsOf(userId.error, [...input.at, 'userId']) };
  }
  const data = pageViewed.data.safeParse(input);
  if (!data.success) return { problems: problemsOf(data.error, input.at) };
  const { activityType = pageViewType } = input;
  const activity = activityType === pageViewType ? undefined : activityTypeName.safeParse(activityType);
  if (activity?.error) return { problems: problemsOf(activity.error, [...input.at, 'activityType']) };
  // Written out whole: spreading what they have in common would cost more than all the rest.
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

/** Those of whom there is no problem. */
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
