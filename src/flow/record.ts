import { createHash, randomUUID } from 'node:crypto';
import { v5 as uuidV5 } from 'uuid';
import { type Caller, callerNameOf } from '../domain/caller.ts';
import { maxClockAheadMs, timelinessOf } from '../domain/page-view.ts';
import { refusalOf } from '../domain/preference.ts';
import { type Problem, problemsOf, userNotFound } from '../domain/problem.ts';
import { timingProblem } from '../domain/timing.ts';
import { activityRecorded, activityTypeName, pageViewType } from '../events/activity.ts';
import { type Event } from '../events/codec.ts';
import { type NotificationSent, notificationSent } from '../events/notification.ts';
import { pageViewed } from '../events/page-view.ts';
import { name } from '../events/text.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Store } from '../ports/store.ts';

/** Namespace of event ids made from idempotency keys: a repeated key is a repeated id, which is applied once. */
const keyNamespace = '4f1f0c5e-6a39-4d0b-9a55-0d6f3c1f8b7e';

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

export interface NotificationInput {
  readonly userId: string;
  readonly content: unknown;
  readonly idempotencyKey?: string | undefined;
}

/** What was recorded: the ids of the events, now durable, in the order of the input; and why the others were not. */
export interface Recorded {
  readonly eventIds: readonly string[];
  readonly problems: readonly Problem[];
}

/**
 * The way in: validates, gives the event its id and appends it to the log. When it resolves, what it names is durable; it
 * is applied a moment later. Rejects with UNAVAILABLE: unknown whether recorded, retry with the same idempotency key.
 */
export function createRecord(
  { log, store, clock }: { readonly log: EventLog; readonly store: Store; readonly clock: Clock },
  {
    retentionDays,
    lockedCategories = [],
  }: { readonly retentionDays: number; readonly lockedCategories?: readonly string[] },
) {
  return {
    /** Records the views that are valid; the others are problems. */
    async pageViews(caller: Caller, mutation: string, inputs: readonly PageViewInput[]): Promise<Recorded> {
      const now = clock.now();
      const problems: Problem[] = [];
      const accepted: { readonly event: Event; readonly input: PageViewInput }[] = [];
      for (const input of inputs) {
        const event = pageViewOf(caller, mutation, input, now);
        if ('problems' in event) {
          problems.push(...event.problems);
          continue;
        }
        const untimely = timelinessProblems(input, now, retentionDays);
        if (untimely.length > 0 && !(await wasAccepted(caller, mutation, input))) problems.push(...untimely);
        else accepted.push({ event, input });
      }
      const keyed = accepted.filter(({ input }) => input.idempotencyKey !== undefined);
      if (keyed.length > 0) {
        const keys = keyed.map(({ input }) => ({
          ...keyIdentity(caller, mutation, input.idempotencyKey as string),
          digest: digestOfView(input),
        }));
        const bound = await store.bindKeys(keys, now);
        keyed.forEach(({ input, event }, index) => {
          if (bound[index] === keys[index]?.digest) return;
          problems.push(conflict([...input.at, 'idempotencyKey']));
          accepted.splice(
            accepted.findIndex((one) => one.event === event),
            1,
          );
        });
      }
      const events = accepted.map(({ event }) => event);
      await log.append(events);
      return { eventIds: events.map(({ id }) => id), problems };
    },

    /** Records one notification; its id is the event's. Only for users that exist and can receive it. */
    async notification(caller: Caller, mutation: string, input: NotificationInput): Promise<Recorded> {
      const now = clock.now();
      const userId = name.safeParse(input.userId);
      if (!userId.success) return { eventIds: [], problems: problemsOf(userId.error, ['input', 'userId']) };
      const data = notificationSent.data.safeParse(input.content);
      if (!data.success) return { eventIds: [], problems: problemsOf(data.error, ['input', 'content']) };
      const untimely = timingProblem(data.data, now);
      if (
        untimely &&
        !(await isBound(caller, mutation, input.idempotencyKey, digestOf([input.userId, data.data])))
      )
        return { eventIds: [], problems: [untimely] };
      const event: Event = {
        id: eventIdOf(caller, mutation, input.idempotencyKey, now),
        source,
        type: notificationSent.type,
        tenantId: caller.tenantId,
        userId: input.userId,
        occurredAt: now,
        data: data.data,
        schemaVersion: notificationSent.schemaVersion,
      };
      const refused = await refuseNotification(
        caller,
        mutation,
        input,
        data.data,
        digestOf([input.userId, data.data]),
        now,
      );
      if (refused) return { eventIds: [], problems: [refused] };
      await log.append([event]);
      return { eventIds: [event.id], problems: [] };
    },
  };

  /** Whether the same input came with the same key before, in time: a repeat has the answer of the first. */
  async function wasAccepted(caller: Caller, mutation: string, input: PageViewInput): Promise<boolean> {
    return isBound(caller, mutation, input.idempotencyKey, digestOfView(input));
  }

  async function isBound(
    caller: Caller,
    mutation: string,
    key: string | undefined,
    digest: string,
  ): Promise<boolean> {
    return key !== undefined && (await store.boundDigest(keyIdentity(caller, mutation, key))) === digest;
  }

  /**
   * A key that is bound already was accepted before: its event is appended again, in case the first append was lost, and
   * nothing is checked anew, so that the same request keeps its answer. Only accepted input binds a key.
   */
  async function refuseNotification(
    caller: Caller,
    mutation: string,
    input: NotificationInput,
    content: NotificationSent['data'],
    digest: string,
    now: Date,
  ): Promise<Problem | undefined> {
    const key =
      input.idempotencyKey === undefined ? undefined : keyIdentity(caller, mutation, input.idempotencyKey);
    const keyPath = ['input', 'idempotencyKey'];
    const bound = key && (await store.boundDigest(key));
    if (bound !== undefined) return bound === digest ? undefined : conflict(keyPath);
    const path = ['input', 'userId'];
    const [user] = await store.recipients([{ tenantId: caller.tenantId, userId: input.userId }]);
    if (!user) return userNotFound(path);
    const refusal = refusalOf(user, content, lockedCategories);
    if (refusal !== undefined) return { code: 'OPTED_OUT', message: refusal, path };
    if (!key) return undefined;
    const [digestNow] = await store.bindKeys([{ ...key, digest }], now);
    return digestNow === digest ? undefined : conflict(keyPath);
  }
}

export type Record = ReturnType<typeof createRecord>;

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
  const head = {
    id: eventIdOf(caller, mutation, input.idempotencyKey, now),
    source,
    tenantId: caller.tenantId,
    userId: input.userId,
    occurredAt: input.occurredAt ?? now,
  };
  const { activityType = pageViewType } = input;
  if (activityType === pageViewType) {
    return { ...head, type: pageViewed.type, data: data.data, schemaVersion: pageViewed.schemaVersion };
  }
  const type = activityTypeName.safeParse(activityType);
  if (!type.success) return { problems: problemsOf(type.error, [...input.at, 'activityType']) };
  const { schemaVersion } = activityRecorded;
  return { ...head, type: activityRecorded.type, data: { activityType }, schemaVersion };
}

function timelinessProblems(input: PageViewInput, now: Date, retentionDays: number): readonly Problem[] {
  const timeliness = timelinessOf(input.occurredAt ?? now, now, retentionDays);
  const path = [...input.at, 'occurredAt'];
  if (timeliness === 'too-old') {
    const message = `occurredAt lies before the retention of ${retentionDays} days.`;
    return [{ code: 'TOO_OLD', message, path }];
  }
  if (timeliness === 'in-future') {
    const message = `occurredAt lies more than ${maxClockAheadMs / 60_000} minutes ahead of the server's clock.`;
    return [{ code: 'IN_FUTURE', message, path }];
  }
  return [];
}

function keyIdentity(caller: Caller, mutation: string, key: string) {
  return { tenantId: caller.tenantId, caller: callerNameOf(caller), mutation, key };
}

function eventIdOf(caller: Caller, mutation: string, key: string | undefined, now: Date): string {
  if (key === undefined) return uuidV7(now);
  return uuidV5(JSON.stringify(Object.values(keyIdentity(caller, mutation, key))), keyNamespace);
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

let prefix: { readonly at: Date; readonly text: string } | undefined;

/**
 * A version 7 UUID (RFC 9562, section 5.7): the time, so that rows of one moment lie together, then what is random in a
 * version 4, which Node draws in batches. Drawing for each id, or writing the time for each of a bulk, is 4 % of a recorded
 * page view.
 */
function uuidV7(now: Date): string {
  if (prefix?.at !== now) {
    const time = now.getTime().toString(16).padStart(12, '0');
    prefix = { at: now, text: `${time.slice(0, 8)}-${time.slice(8)}-7` };
  }
  return prefix.text + randomUUID().slice(15);
}

function digestOf(values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url');
}

function conflict(path: readonly string[]): Problem {
  const message = 'This idempotency key was used before with other input. Nothing was changed.';
  return { code: 'IDEMPOTENCY_CONFLICT', message, path };
}
