import { add, ratio, subtract, times } from '../../domain/decimal.ts';
import {
  limitValueOf,
  progressOf,
  sequenceOf,
  statusAt,
  type UserLimit,
  type ZonedLimit,
} from '../../domain/limit.ts';
import { nextResetOf } from '../../domain/limit-use.ts';
import { periodEnd } from '../../domain/period.ts';
import { type Problem, problemsOf } from '../../domain/problem.ts';
import {
  type LimitEvent,
  type LimitPeriod,
  type LimitType,
  userLimitCreated,
  userLimitProgressChanged,
  userLimitReset,
} from '../../events/limit.ts';
import { serializeLimitEvent, type WithoutRaw } from '../../events/limit-event.ts';
import type { Fields } from '../../events/record.ts';
import { signedDecimal } from '../../events/text.ts';

/** The `source` of the events that commands make. */
const source = 'unseen';

export interface CreateUserLimit {
  readonly userId: string;
  /**
   * The id of the limit. Defaults to a new id. If the user has a limit with this id, the call redefines the
   * limit.
   */
  readonly userLimitId?: string | undefined;
  readonly brandId: string;
  readonly type: LimitType;
  readonly period: LimitPeriod;
  readonly value: string;
  /** Defaults to the currency of the existing limit. A SESSION limit defaults to none. */
  readonly currencyCode?: string | undefined;
  /** Defaults to the start of the existing limit, or to now. */
  readonly activeFrom?: Date | undefined;
  readonly activeUntil?: Date | undefined;
  /** Defaults to the end of the current period. */
  readonly nextResetAt?: Date | undefined;
}

export interface UpdateUserLimitProgress {
  readonly userLimitId: string;
  /** The amount to add to the used amount. */
  readonly amount: string;
}

export interface ResetUserLimit {
  readonly userLimitId: string;
  /** Defaults to the end of the current period. */
  readonly nextResetAt?: Date | undefined;
}

/** The limit after the change, or the reasons why nothing was changed. */
export type Limited = { readonly limit: ZonedLimit } | Refused;

/** A refused command, which changed nothing. */
export interface Refused {
  readonly problems: readonly Problem[];
}

/** The event that a command makes. */
export interface Decision {
  readonly family: typeof userLimitCreated | typeof userLimitProgressChanged | typeof userLimitReset;
  readonly data: Fields;
  /** Fields that are only in the payload for other consumers. */
  readonly extra?: Fields;
}

export const refuse = (code: Problem['code'], message: string, ...path: string[]): Refused => ({
  problems: [{ code, message, path: ['input', ...path] }],
});

export function definition(
  { userId: _, userLimitId: __, activeFrom: from, ...input }: CreateUserLimit,
  limit: UserLimit,
  timeZone: string,
  now: Date,
): Decision | Refused {
  const activeFrom = from ?? limit.activeFrom ?? now;
  const { activeUntil, type, period } = input;
  if (type === 'UNKNOWN') return refuse('INVALID_INPUT', 'type must not be UNKNOWN.', 'type');
  if (period === 'UNKNOWN') return refuse('INVALID_INPUT', 'period must not be UNKNOWN.', 'period');
  const since = activeFrom > now ? activeFrom : now;
  if (activeUntil && activeUntil <= since)
    return refuse('INVALID_INPUT', 'activeUntil must be in the future and after activeFrom.', 'activeUntil');
  if (input.nextResetAt && input.nextResetAt <= now)
    return refuse('INVALID_INPUT', 'nextResetAt must be in the future.', 'nextResetAt');
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

/**
 * Returns the amount, or undefined if the amount has more digits than an event allows. An event without this
 * amount is still complete, because the amount follows from the value.
 */
const orOmitted = (amount: string) => (signedDecimal.safeParse(amount).success ? amount : undefined);

export function progress(
  { amount }: UpdateUserLimitProgress,
  limit: UserLimit,
  timeZone: string,
): Decision | Refused {
  const previousProgress = progressOf(limit);
  const value = limitValueOf(limit);
  const after = add(previousProgress, amount);
  if (orOmitted(after) === undefined)
    return refuse('INVALID_INPUT', 'amount is too large: progress would have more than 38 digits.', 'amount');
  return {
    family: userLimitProgressChanged,
    data: {
      ...brandOf(limit),
      amount,
      previousProgress,
      nextResetAt: nextResetOf(limit, timeZone) ?? undefined,
      ...(value !== null && { remainingAmount: orOmitted(subtract(value, after)) }),
    },
  };
}

export function reset(
  input: ResetUserLimit,
  limit: UserLimit,
  timeZone: string,
  now: Date,
): Decision | Refused {
  if (input.nextResetAt && input.nextResetAt <= now)
    return refuse('INVALID_INPUT', 'nextResetAt must be in the future.', 'nextResetAt');
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
      ...(value !== null && { unusedAmount: orOmitted(subtract(value, resetAmount)) }),
    },
    extra: { resetPercentage: isZero ? null : ratio(times(resetAmount, 100), value, 6) },
  };
}

const brandOf = ({ brandId, currencyCode }: UserLimit): Fields => ({
  brandId,
  ...(currencyCode !== null && { currencyCode }),
});

/** Makes the event of a decision, with the next sequence number of the limit. */
export function eventOf(
  { family, data, extra }: Decision,
  limit: UserLimit,
  id: string,
  now: Date,
): LimitEvent | { readonly problems: readonly Problem[] } {
  const { tenantId, userId, userLimitId } = limit;
  const sequenceNumber = Number(sequenceOf(limit)) + 1;
  // `raw` is the serialized event, so it is set after the other fields are parsed.
  const parsed = family.data.safeParse({ ...data, userLimitId, sequenceNumber, raw: '-' });
  if (!parsed.success) return { problems: problemsOf(parsed.error, ['input']) };
  const { raw: _, ...said } = parsed.data;
  const head = { id, source, type: family.type, tenantId, userId, occurredAt: now, schemaVersion: 1 };
  const event = { ...head, data: said } as WithoutRaw<LimitEvent>;
  return { ...event, data: { ...event.data, raw: serializeLimitEvent(event, extra) } } as LimitEvent;
}
