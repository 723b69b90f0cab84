import type { Caller } from '../../domain/caller.ts';
import { add, ratio, subtract, times } from '../../domain/decimal.ts';
import { badgeOf } from '../../domain/inbox.ts';
import { createInboxBatch, type InboxWrites } from '../../domain/inbox-batch.ts';
import {
  limitDueAt,
  limitValueOf,
  progressOf,
  sequenceOf,
  statusAt,
  type UserLimit,
  unknownLimit,
  type ZonedLimit,
} from '../../domain/limit.ts';
import { type LimitThresholds, nextResetOf } from '../../domain/limit-use.ts';
import type { Notification } from '../../domain/notification.ts';
import { periodEnd } from '../../domain/period.ts';
import { type Problem, problemsOf, userNotFound } from '../../domain/problem.ts';
import type { UserKey } from '../../domain/user.ts';
import { keyOf } from '../../events/event.ts';
import {
  type LimitEvent,
  type LimitPeriod,
  type LimitType,
  userLimitCreated,
  userLimitProgressChanged,
  userLimitReset,
} from '../../events/limit.ts';
import { serializeLimitEvent, type WithoutRaw } from '../../events/limit-event.ts';
import { appliedHeader, type Fields } from '../../events/record.ts';
import { name, signedDecimal } from '../../events/text.ts';
import { topics } from '../../events/topic.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
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

/** `source` of the events that are made here. */
const source = 'unseen';

export interface CreateUserLimit {
  readonly userId: string;
  /** Absent: one is made. A limit of that id that is there is defined anew. */
  readonly userLimitId?: string | undefined;
  readonly brandId: string;
  readonly type: LimitType;
  readonly period: LimitPeriod;
  readonly value: string;
  /** Absent: as it was. */
  readonly currencyCode?: string | undefined;
  /** Absent: as it was, or now. */
  readonly activeFrom?: Date | undefined;
  readonly activeUntil?: Date | undefined;
  /** Absent: by the period. */
  readonly nextResetAt?: Date | undefined;
}

export interface UpdateUserLimitProgress {
  readonly userLimitId: string;
  /** On top of what is used. */
  readonly amount: string;
}

export interface ResetUserLimit {
  readonly userLimitId: string;
  /** Absent: by the period. */
  readonly nextResetAt?: Date | undefined;
}

/** The limit after the change, or why nothing was changed. */
export type Limited = { readonly limit: ZonedLimit } | { readonly problems: readonly Problem[] };

/** Which event a command amounts to. */
interface Decision {
  readonly family: typeof userLimitCreated | typeof userLimitProgressChanged | typeof userLimitReset;
  readonly data: Fields;
  /** What only the payload for others says. */
  readonly extra?: Fields;
}

const severalOwners =
  'Several users have a limit of that id: send what happens to theirs by ingestLimitEvents.';

const refuse = (code: Problem['code'], message: string, ...path: string[]): Limited => ({
  problems: [{ code, message, path: ['input', ...path] }],
});

type LimitCommandTransaction = UserTransaction &
  LimitTransaction &
  IdempotencyTransaction &
  EventTransaction &
  InboxWritesTransaction &
  FinishTransaction;

/**
 * Changes of limits by hand: each makes the event that a producer would send, with the next sequence number under the lock of
 * the limit's user, applies it the way the stream does, and sends it on to whoever else listens.
 */
export function createLimitCommands(
  {
    store,
    pubSub,
    cache,
    clock,
    logger,
  }: {
    readonly store: LimitStore & IdempotencyStore & Transactions<LimitCommandTransaction>;
    readonly pubSub: PubSub;
    readonly cache?: BadgeCache | undefined;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    lockedCategories,
    announcesDeliveries,
    thresholds,
    quotas,
  }: {
    readonly lockedCategories: readonly string[];
    readonly announcesDeliveries: boolean;
    readonly thresholds: LimitThresholds | undefined;
    readonly quotas: Pick<Quotas, 'limitEvents'>;
  },
) {
  interface Command {
    readonly caller: Caller;
    readonly mutation: string;
    readonly idempotencyKey: string | undefined;
    readonly input: object;
  }

  async function apply(
    { caller, mutation, idempotencyKey, input }: Command,
    id: string,
    user: UserKey,
    userLimitId: string,
    decide: (limit: UserLimit, timeZone: string, now: Date) => Decision | Limited,
    refused?: (transaction: LimitCommandTransaction) => Promise<Limited | undefined>,
  ): Promise<Limited> {
    const now = clock.now();
    const key =
      idempotencyKey === undefined
        ? undefined
        : { ...keyIdentity(caller, mutation, idempotencyKey), digest: digestOf([input]) };
    const keyProblem = { problems: [conflict(['input', 'idempotencyKey'])] };
    const bound = key && (await store.boundDigest(key));
    if (bound !== undefined && bound !== key?.digest) return keyProblem;
    const exceeded = bound === undefined ? quotas.limitEvents.take(user, 1, ['input']) : undefined;
    if (exceeded) return { problems: [exceeded] };
    const limitKey = { ...user, userLimitId };

    const done = await store.transaction(async (transaction) => {
      const refusal = await refused?.(transaction);
      if (refusal) return refusal;
      const [locked] = await transaction.lockUsers([user]);
      if (!locked) return { problems: [userNotFound(['input', 'userId'])] };
      const [found] = await transaction.limits([limitKey]);
      // It was done already: bound together with what it did.
      if (bound !== undefined && found) return { limit: { ...found, timeZone: locked.timeZone } };
      const limit = found ?? unknownLimit(limitKey, now);
      const decision = decide(limit, locked.timeZone, now);
      if (!('family' in decision)) return decision;
      const made = eventOf(decision, limit, id, now);
      if ('problems' in made) return made;
      const [digest] = key ? await transaction.bindKeys([key], now) : [];
      if (digest !== key?.digest) return keyProblem;
      const [isFresh] = await transaction.claimEvents([made], now);
      const locks = { users: [locked], found: found ? [found] : [] };
      const changes = applyLimitEvents(locks, [made], new Set(isFresh ? [made] : []), { now, thresholds });
      const [after] = changes.all;
      if (!after) return refuse('NOT_FOUND', 'The limit was removed since.');
      if (!isFresh) return { limit: after };
      const writes = await tell(transaction, changes.notifications, user, now);
      transaction.finish(
        ...writesOf(transaction, writes, { announcesDeliveries, now }),
        transaction.saveLimits(changes.changed),
        transaction.addLimitEvents(changes.records),
        transaction.addOutgoing(
          [
            {
              topic: topics.userLimits,
              key: keyOf(made),
              value: Buffer.from(made.data.raw),
              headers: { [appliedHeader]: '1' },
            },
          ],
          now,
        ),
      );
      return { limit: after, inboxes: writes.touched };
    }, user);
    if ('problems' in done) return done;
    await publishLimits({ pubSub, logger }, [done.limit]);
    if ('inboxes' in done && done.inboxes.length > 0)
      await publishBadges({ pubSub, cache, logger }, done.inboxes.map(badgeOf), 'ARRIVED');
    await announceDue(pubSub, [limitDueAt(done.limit)]);
    return { limit: done.limit };
  }

  /** Delivers what the user is to be told. */
  async function tell(
    transaction: LimitCommandTransaction,
    notifications: readonly Notification[],
    user: UserKey,
    now: Date,
  ): Promise<InboxWrites> {
    const locked = notifications.length === 0 ? [] : await transaction.lockInboxes([user], now);
    const inboxBatch = createInboxBatch({ locked, known: [], now, lockedCategories });
    for (const notification of notifications) inboxBatch.deliver(notification, { isNew: true });
    return inboxBatch.writes();
  }

  /** The user of the limit of that id, which the caller names. */
  async function ownerOf(
    tenantId: string,
    userLimitId: string,
  ): Promise<UserKey | { readonly problems: readonly Problem[] }> {
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

  async function applyToNamed<Input extends { readonly userLimitId: string }>(
    command: Command & { readonly input: Input },
    decide: (limit: UserLimit, timeZone: string, now: Date) => Decision | Limited,
  ): Promise<Limited> {
    const { caller, mutation, idempotencyKey, input } = command;
    const owner = await ownerOf(caller.tenantId, input.userLimitId);
    if ('problems' in owner) return owner;
    const id = eventIdOf(caller, mutation, idempotencyKey, clock.now());
    return apply(command, id, owner, input.userLimitId, decide);
  }

  return {
    /** Defines a limit of a user who exists, or defines it anew. */
    async createUserLimit(caller: Caller, input: CreateUserLimit, idempotencyKey?: string): Promise<Limited> {
      const { tenantId } = caller;
      const command = { caller, mutation: 'createUserLimit', idempotencyKey, input };
      const id = eventIdOf(caller, command.mutation, idempotencyKey, clock.now());
      const userLimitId = input.userLimitId ?? id;
      const isName = name.safeParse(userLimitId);
      if (!isName.success) return { problems: problemsOf(isName.error, ['input', 'userLimitId']) };
      return apply(
        command,
        id,
        { tenantId, userId: input.userId },
        userLimitId,
        (limit, timeZone, now) => definition(input, limit, timeZone, now),
        async (transaction) => {
          const owners = await transaction.lockLimitId(tenantId, userLimitId);
          return owners.some(({ userId }) => userId !== input.userId)
            ? refuse('CONFLICT', 'Another user has a limit of that id: choose another.', 'userLimitId')
            : undefined;
        },
      );
    },

    /** Adds to what is used of a limit. */
    updateUserLimitProgress(
      caller: Caller,
      input: UpdateUserLimitProgress,
      idempotencyKey?: string,
    ): Promise<Limited> {
      const command = { caller, mutation: 'updateUserLimitProgress', idempotencyKey, input };
      return applyToNamed(command, (limit, timeZone) => progress(input, limit, timeZone));
    },

    /** Starts a limit anew: nothing of it is used. */
    resetUserLimit(caller: Caller, input: ResetUserLimit, idempotencyKey?: string): Promise<Limited> {
      const command = { caller, mutation: 'resetUserLimit', idempotencyKey, input };
      return applyToNamed(command, (limit, timeZone, now) => reset(input, limit, timeZone, now));
    },
  };
}

function definition(
  { userId: _, userLimitId: __, activeFrom: from, ...input }: CreateUserLimit,
  limit: UserLimit,
  timeZone: string,
  now: Date,
): Decision | Limited {
  const activeFrom = from ?? limit.activeFrom ?? now;
  const { activeUntil, type, period } = input;
  if (type === 'UNKNOWN') return refuse('INVALID_INPUT', 'type must be one that is known.', 'type');
  if (period === 'UNKNOWN') return refuse('INVALID_INPUT', 'period must be one that is known.', 'period');
  const since = activeFrom > now ? activeFrom : now;
  if (activeUntil && activeUntil <= since)
    return refuse('INVALID_INPUT', 'activeUntil must lie ahead, and behind activeFrom.', 'activeUntil');
  if (input.nextResetAt && input.nextResetAt <= now)
    return refuse('INVALID_INPUT', 'nextResetAt must lie ahead.', 'nextResetAt');
  const nextResetAt = input.nextResetAt ?? periodEnd(period, { anchor: activeFrom, since, timeZone });
  const previousLimitValue = limitValueOf(limit);
  const currencyCode = input.currencyCode ?? (type === 'SESSION' ? null : limit.currencyCode);
  return {
    family: userLimitCreated,
    data: {
      ...input,
      currencyCode: currencyCode ?? undefined,
      activeFrom,
      nextResetAt: nextResetAt ?? undefined,
      status: statusAt({ status: 'FUTURE', activeFrom, activeUntil: activeUntil ?? null }, now),
      ...(previousLimitValue !== null && { previousLimitValue }),
    },
  };
}

/** What an event cannot say for want of digits it leaves out: it follows from the value. */
const sayable = (amount: string) => (signedDecimal.safeParse(amount).success ? amount : undefined);

function progress(
  { amount }: UpdateUserLimitProgress,
  limit: UserLimit,
  timeZone: string,
): Decision | Limited {
  const previousProgress = progressOf(limit);
  const value = limitValueOf(limit);
  const after = add(previousProgress, amount);
  if (sayable(after) === undefined)
    return refuse('INVALID_INPUT', 'With it, progress would have more than 38 digits.', 'amount');
  return {
    family: userLimitProgressChanged,
    data: {
      ...brandOf(limit),
      amount,
      previousProgress,
      nextResetAt: nextResetOf(limit, timeZone) ?? undefined,
      ...(value !== null && { remainingAmount: sayable(subtract(value, after)) }),
    },
  };
}

function reset(input: ResetUserLimit, limit: UserLimit, timeZone: string, now: Date): Decision | Limited {
  if (input.nextResetAt && input.nextResetAt <= now)
    return refuse('INVALID_INPUT', 'nextResetAt must lie ahead.', 'nextResetAt');
  const { type, period, activeFrom } = limit;
  const since = activeFrom && activeFrom > now ? activeFrom : now;
  const resetAmount = progressOf(limit);
  const value = limitValueOf(limit);
  const nextResetAt = input.nextResetAt ?? periodEnd(period, { anchor: activeFrom ?? now, since, timeZone });
  const isZero = value === null || /^[0.]+$/.test(value);
  return {
    family: userLimitReset,
    data: {
      ...brandOf(limit),
      type,
      period,
      resetAmount,
      nextResetAt: nextResetAt ?? undefined,
      ...(value !== null && { unusedAmount: sayable(subtract(value, resetAmount)) }),
    },
    extra: { resetPercentage: isZero ? null : ratio(times(resetAmount, 100), value, 6) },
  };
}

const brandOf = ({ brandId, currencyCode }: UserLimit): Fields => ({
  brandId,
  ...(currencyCode !== null && { currencyCode }),
});

/** The event of a decision, at the next place of the limit. */
function eventOf(
  { family, data, extra }: Decision,
  limit: UserLimit,
  id: string,
  now: Date,
): LimitEvent | { readonly problems: readonly Problem[] } {
  const { tenantId, userId, userLimitId } = limit;
  const sequenceNumber = Number(sequenceOf(limit)) + 1;
  // What is written is made of the rest.
  const parsed = family.data.safeParse({ ...data, userLimitId, sequenceNumber, raw: '-' });
  if (!parsed.success) return { problems: problemsOf(parsed.error, ['input']) };
  const { raw: _, ...said } = parsed.data;
  const head = { id, source, type: family.type, tenantId, userId, occurredAt: now, schemaVersion: 1 };
  const event = { ...head, data: said } as WithoutRaw<LimitEvent>;
  return { ...event, data: { ...event.data, raw: serializeLimitEvent(event, extra) } } as LimitEvent;
}
