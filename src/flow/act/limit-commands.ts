import type { Caller } from '../../domain/caller.ts';
import { badgeOf } from '../../domain/inbox.ts';
import { createInboxBatch, type InboxWrites } from '../../domain/inbox-batch.ts';
import { limitDueAt, type UserLimit, unknownLimit, type ZonedLimit } from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { Notification } from '../../domain/notification.ts';
import { problemsOf, userNotFound } from '../../domain/problem.ts';
import type { User, UserKey } from '../../domain/user.ts';
import { keyOf } from '../../events/event.ts';
import type { LimitEvent } from '../../events/limit.ts';
import { appliedHeader } from '../../events/record.ts';
import { name } from '../../events/text.ts';
import { topics } from '../../events/topic.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { OutgoingRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { EventTransaction } from '../../ports/store/events.ts';
import type { IdempotencyStore, IdempotencyTransaction } from '../../ports/store/idempotency.ts';
import type { LimitStore, LimitTransaction } from '../../ports/store/limits.ts';
import type { FinishTransaction, Transactions } from '../../ports/store/transactions.ts';
import type { UserTransaction } from '../../ports/store/users.ts';
import { applyLimitEvents } from '../apply/apply-limits.ts';
import { announceDue } from '../deliver/due.ts';
import { type InboxWritesTransaction, writesOf } from '../deliver/inbox-writes.ts';
import { publishBadges, publishLimits } from '../deliver/publish.ts';
import { conflict, digestOf, eventIdOf, keyIdentity } from '../record/idempotency.ts';
import type { Quotas } from '../record/quota.ts';
import {
  type CreateUserLimit,
  type Decision,
  definition,
  eventOf,
  type Limited,
  progress,
  type Refused,
  type ResetUserLimit,
  refuse,
  reset,
  type UpdateUserLimitProgress,
} from './limit-decisions.ts';

const severalOwners =
  'Several users have a limit with this userLimitId. Send its events with ingestLimitEvents instead.';

type LimitCommandTransaction = UserTransaction &
  LimitTransaction &
  IdempotencyTransaction &
  EventTransaction &
  InboxWritesTransaction &
  FinishTransaction;

interface LimitCommandDeps {
  readonly store: LimitStore & IdempotencyStore & Transactions<LimitCommandTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface LimitCommandOptions {
  readonly lockedCategories: readonly string[];
  readonly announcesDeliveries: boolean;
  readonly thresholds: LimitThresholds | undefined;
  readonly quotas: Pick<Quotas, 'limitEvents'>;
}

/** A call of a mutation. */
interface Command {
  readonly caller: Caller;
  readonly mutation: string;
  readonly idempotencyKey: string | undefined;
  readonly input: object;
}

type Decide = (limit: UserLimit, timeZone: string, now: Date) => Decision | Refused;

/** The change of a limit that a command requests. */
interface Change {
  readonly command: Command;
  readonly eventId: string;
  readonly user: UserKey;
  readonly userLimitId: string;
  readonly decide: Decide;
  /** Checks the change before the user is locked. Returns the reason to refuse the change, or undefined. */
  refusal?(transaction: LimitCommandTransaction): Promise<Refused | undefined>;
}

/**
 * Creates the mutations that change limits. Each mutation makes the event that a producer would send. The
 * mutation locks the user of the limit and gives the event the next sequence number of the limit. The event
 * is applied like an event from the log, and is also sent to its topic for other consumers.
 */
export function createLimitCommands(deps: LimitCommandDeps, options: LimitCommandOptions) {
  const { store, clock } = deps;

  async function changeNamed<Input extends { readonly userLimitId: string }>(
    command: Command & { readonly input: Input },
    decide: Decide,
  ): Promise<Limited> {
    const { caller, mutation, idempotencyKey, input } = command;
    const { userLimitId } = input;
    const user = await ownerOf(store, caller.tenantId, userLimitId);
    if ('problems' in user) return user;
    const eventId = eventIdOf(caller, mutation, idempotencyKey, clock.now());
    return changeLimit(deps, options, { command, eventId, user, userLimitId, decide });
  }

  return {
    /** Defines a limit. If the limit exists, redefines it. The user must exist. */
    async createUserLimit(caller: Caller, input: CreateUserLimit, idempotencyKey?: string): Promise<Limited> {
      const { tenantId } = caller;
      const command = { caller, mutation: 'createUserLimit', idempotencyKey, input };
      const eventId = eventIdOf(caller, command.mutation, idempotencyKey, clock.now());
      const userLimitId = input.userLimitId ?? eventId;
      const isName = name.safeParse(userLimitId);
      if (!isName.success) return { problems: problemsOf(isName.error, ['input', 'userLimitId']) };
      return changeLimit(deps, options, {
        command,
        eventId,
        user: { tenantId, userId: input.userId },
        userLimitId,
        decide: (limit, timeZone, now) => definition(input, limit, timeZone, now),
        async refusal(transaction) {
          const owners = await transaction.lockLimitId(tenantId, userLimitId);
          return owners.some(({ userId }) => userId !== input.userId)
            ? refuse(
                'CONFLICT',
                'Another user has a limit with this userLimitId. Choose another one.',
                'userLimitId',
              )
            : undefined;
        },
      });
    },

    /** Adds to the used amount of a limit. */
    updateUserLimitProgress(
      caller: Caller,
      input: UpdateUserLimitProgress,
      idempotencyKey?: string,
    ): Promise<Limited> {
      const command = { caller, mutation: 'updateUserLimitProgress', idempotencyKey, input };
      return changeNamed(command, (limit, timeZone) => progress(input, limit, timeZone));
    },

    /** Resets the used amount of a limit to 0. */
    resetUserLimit(caller: Caller, input: ResetUserLimit, idempotencyKey?: string): Promise<Limited> {
      const command = { caller, mutation: 'resetUserLimit', idempotencyKey, input };
      return changeNamed(command, (limit, timeZone, now) => reset(input, limit, timeZone, now));
    },
  };
}

/**
 * Returns the user who has the limit with this id. Returns a problem if no user or several users have a limit
 * with this id.
 */
async function ownerOf(store: LimitStore, tenantId: string, userLimitId: string): Promise<UserKey | Refused> {
  const isName = name.safeParse(userLimitId).success;
  const [first, second] = isName ? await store.limitOwners(tenantId, userLimitId) : [];
  if (first && !second) return first;
  const path = ['input', 'userLimitId'];
  return {
    problems: [
      second
        ? { code: 'CONFLICT', message: severalOwners, path }
        : { code: 'NOT_FOUND', message: 'No such limit.', path },
    ],
  };
}

/**
 * Checks the idempotency key and the quota, changes the limit in one transaction, and publishes the result.
 */
async function changeLimit(
  deps: LimitCommandDeps,
  options: LimitCommandOptions,
  change: Change,
): Promise<Limited> {
  const { user } = change;
  const key = keyOfCommand(change.command);
  const bound = key && (await deps.store.boundDigest(key));
  if (bound !== undefined && bound !== key?.digest) return keyConflict;
  const exceeded = bound === undefined ? options.quotas.limitEvents.take(user, 1, ['input']) : undefined;
  if (exceeded) return { problems: [exceeded] };
  const context = { key, isBound: bound !== undefined, now: deps.clock.now(), ...options };
  const done = await deps.store.transaction((transaction) => applyChange(transaction, change, context), user);
  if ('problems' in done) return done;
  const { limit, writes } = done;
  await publishLimits(deps, [limit]);
  if (writes && writes.touched.length > 0) await publishBadges(deps, writes.touched.map(badgeOf), 'ARRIVED');
  await announceDue(deps.pubSub, [limitDueAt(limit)]);
  return { limit };
}

const keyConflict: Refused = { problems: [conflict(['input', 'idempotencyKey'])] };

/** Returns the idempotency key of a command, and the digest of its input. */
function keyOfCommand({ caller, mutation, idempotencyKey, input }: Command) {
  if (idempotencyKey === undefined) return undefined;
  return { ...keyIdentity(caller, mutation, idempotencyKey), digest: digestOf([input]) };
}

interface ChangeContext extends LimitCommandOptions {
  readonly key: ReturnType<typeof keyOfCommand>;
  /** Whether the key is already bound to this input. */
  readonly isBound: boolean;
  readonly now: Date;
}

/** Locks the user, makes the event of the change, and applies the event. */
async function applyChange(
  transaction: LimitCommandTransaction,
  change: Change,
  context: ChangeContext,
): Promise<Refused | Applied> {
  const { key, isBound, now } = context;
  const { user, userLimitId, eventId, decide } = change;
  const refusal = await change.refusal?.(transaction);
  if (refusal) return refusal;
  const [locked] = await transaction.lockUsers([user]);
  if (!locked) return { problems: [userNotFound(['input', 'userId'])] };
  const limitKey = { ...user, userLimitId };
  const [found] = await transaction.limits([limitKey]);
  // If the key is bound, the change was applied, because one transaction binds the key and applies the
  // change.
  if (isBound && found) return { limit: { ...found, timeZone: locked.timeZone } };
  const limit = found ?? unknownLimit(limitKey, now);
  const decision = decide(limit, locked.timeZone, now);
  if (!('family' in decision)) return decision;
  const event = eventOf(decision, limit, eventId, now);
  if ('problems' in event) return event;
  const [digest] = key ? await transaction.bindKeys([key], now) : [];
  if (digest !== key?.digest) return keyConflict;
  return applyEvent(transaction, event, { user: locked, found }, context);
}

/** An applied change. `writes` is absent if the event was applied before. */
interface Applied {
  readonly limit: ZonedLimit;
  readonly writes?: InboxWrites;
}

/**
 * Records that the event is applied, applies it like an event from the log, and writes the changes and the
 * record for the topic.
 */
async function applyEvent(
  transaction: LimitCommandTransaction,
  event: LimitEvent,
  { user, found }: { readonly user: User; readonly found: UserLimit | undefined },
  { now, thresholds, lockedCategories, announcesDeliveries }: ChangeContext,
): Promise<Refused | Applied> {
  const [isFresh] = await transaction.claimEvents([event], now);
  const locked = { users: [user], found: found ? [found] : [] };
  const changes = applyLimitEvents(locked, [event], new Set(isFresh ? [event] : []), { now, thresholds });
  const [limit] = changes.all;
  if (!limit) return refuse('NOT_FOUND', 'The limit no longer exists.');
  if (!isFresh) return { limit };
  const writes = await deliver(transaction, changes.notifications, user, { now, lockedCategories });
  transaction.finish(
    ...writesOf(transaction, writes, { announcesDeliveries, now }),
    transaction.saveLimits(changes.changed),
    transaction.addLimitEvents(changes.records),
    transaction.addOutgoing([recordOf(event)], now),
  );
  return { limit, writes };
}

/**
 * Returns the record of an event for its topic. A header tells the workers of Unseen that the event is
 * already applied.
 */
function recordOf(event: LimitEvent): OutgoingRecord {
  return {
    topic: topics.userLimits,
    key: keyOf(event),
    value: Buffer.from(event.data.raw),
    headers: { [appliedHeader]: '1' },
  };
}

/** Delivers the notifications about a limit. */
async function deliver(
  transaction: LimitCommandTransaction,
  notifications: readonly Notification[],
  user: UserKey,
  { now, lockedCategories }: { readonly now: Date; readonly lockedCategories: readonly string[] },
): Promise<InboxWrites> {
  const locked = notifications.length === 0 ? [] : await transaction.lockInboxes([user], now);
  const inboxBatch = createInboxBatch({ locked, known: [], now, lockedCategories });
  for (const notification of notifications) inboxBatch.deliver(notification, { isNew: true });
  return inboxBatch.writes();
}
