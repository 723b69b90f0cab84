import { z } from 'zod';
import type { EventFamily, EventOf } from './envelope.ts';
import { decimal, moment, name, signedDecimal, text } from './text.ts';
import { topics } from './topic.ts';

export const limitTypes = ['BALANCE', 'BET', 'DEPOSIT', 'LOSS', 'SESSION', 'UNKNOWN'] as const;
export type LimitType = (typeof limitTypes)[number];

export const limitPeriods = [
  'CALENDAR_DAY',
  'CALENDAR_WEEK',
  'CALENDAR_MONTH',
  'DAY',
  'WEEK',
  'MONTH',
  'INDEFINITE',
  'INSTANCE',
  'UNKNOWN',
] as const;
export type LimitPeriod = (typeof limitPeriods)[number];

export const limitStatuses = ['ACTIVE', 'CANCELED', 'FUTURE', 'IN_COOLDOWN', 'UNKNOWN'] as const;
export type LimitStatus = (typeof limitStatuses)[number];

/**
 * Accepts any text. A value that is not in the list becomes UNKNOWN, because producers may add values later.
 * The stored event keeps the original value.
 */
function oneOf<const Value extends string>(values: readonly Value[]) {
  return z
    .string()
    .meta({ description: `${values.join(', ')}. Any other value counts as UNKNOWN.` })
    .transform((given) => values.find((value) => value === given) ?? ('UNKNOWN' as const));
}

/** The maximum length of an accepted event, in characters of its JSON. */
export const maxLimitEventLength = 16_384;

/**
 * The largest accepted sequence number. Larger numbers, which JSON parsers may read inexactly, are far above
 * this limit.
 */
export const maxLimitSequence = 1e15;

/**
 * The accepted range of times in limit events. A number of seconds that was sent as milliseconds gives a time
 * before this range.
 */
export const momentBounds = {
  first: new Date('1973-03-03T09:46:40Z'),
  last: new Date('9999-12-31T23:59:59.999Z'),
} as const;

const limitMoment = moment.refine(
  (at) => at >= momentBounds.first && at <= momentBounds.last,
  'must be after February 1973 and before the year 10000',
);

/** The fields that every limit event has. */
const common = {
  userLimitId: name,
  /**
   * The place of this event among the events of the limit, in the order in which they happened. Gaps between
   * the numbers are normal.
   */
  sequenceNumber: z
    .int('must be a whole number')
    .min(0, 'must not be negative')
    .max(maxLimitSequence, `must be at most ${maxLimitSequence}`),
  brandId: name,
  currencyCode: name.max(16, 'must have at most 16 characters').meta({ maxLength: 16 }).optional(),
  /** The time of the next reset. If absent, the time follows from the period. */
  nextResetAt: limitMoment.optional(),
  /** The original event, as JSON. */
  raw: text(maxLimitEventLength).refine((json) => !json.includes('\x1e'), 'must be JSON'),
};

/** A limit was defined or redefined. */
export const userLimitCreated = {
  type: 'userLimitCreated',
  topic: topics.userLimits,
  schemaVersion: 1,
  data: z.object({
    ...common,
    type: oneOf(limitTypes),
    period: oneOf(limitPeriods),
    status: oneOf(limitStatuses),
    value: decimal,
    previousLimitValue: decimal.optional(),
    progress: decimal.optional(),
    activeFrom: limitMoment.optional(),
    activeUntil: limitMoment.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

/** The progress of a limit changed. */
export const userLimitProgressChanged = {
  type: 'userLimitProgressChanged',
  topic: topics.userLimits,
  schemaVersion: 1,
  data: z.object({
    ...common,
    amount: decimal,
    previousProgress: decimal,
    /** Negative if more than the value is used. */
    remainingAmount: signedDecimal.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

/** A limit was reset. */
export const userLimitReset = {
  type: 'userLimitReset',
  topic: topics.userLimits,
  schemaVersion: 1,
  data: z.object({
    ...common,
    type: oneOf(limitTypes),
    period: oneOf(limitPeriods),
    /** The progress before the reset. */
    resetAmount: decimal,
    /** The remaining amount before the reset. */
    unusedAmount: signedDecimal.optional(),
  }),
} as const satisfies EventFamily<string, z.ZodType>;

export const limitFamilies = [userLimitCreated, userLimitProgressChanged, userLimitReset] as const;

export type UserLimitCreated = EventOf<typeof userLimitCreated>;
export type UserLimitProgressChanged = EventOf<typeof userLimitProgressChanged>;
export type UserLimitReset = EventOf<typeof userLimitReset>;
export type LimitEvent = UserLimitCreated | UserLimitProgressChanged | UserLimitReset;

export function isLimitEvent(event: { readonly type: string }): event is LimitEvent {
  return limitFamilies.some(({ type }) => type === event.type);
}
