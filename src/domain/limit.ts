import type {
  LimitEvent,
  LimitPeriod,
  LimitStatus,
  LimitType,
  UserLimitCreated,
  UserLimitProgressChanged,
  UserLimitReset,
} from '../events/limit.ts';
import type { LimitEventType } from '../events/limit-event.ts';
import { add, compare, type Decimal, subtract } from './decimal.ts';
import type { UserKey } from './user.ts';

export type { LimitPeriod, LimitStatus, LimitType };

/** Identifies a limit. The caller chooses its id, and another user may have a limit with the same id. */
export interface LimitKey extends UserKey {
  readonly userLimitId: string;
}

interface Sequenced {
  readonly sequence: bigint;
}

/**
 * The place of an event among the events of its limit. If two events set the same part of the limit, the
 * event with the later place wins, whichever event arrives first. If both have the same sequence number,
 * their ids decide.
 */
export interface Place extends Sequenced {
  /** The source and the id of the event, as `source/id`. */
  readonly event: string;
}

/** The current state of a limit, computed from its events. */
export interface LimitState extends LimitKey {
  /** Comes from the definition, or from progress and reset events until a definition arrives. */
  readonly brandId: string;
  readonly currencyCode: string | null;
  readonly type: LimitType;
  readonly period: LimitPeriod;
  readonly status: LimitStatus;
  readonly activeFrom: Date | null;
  readonly activeUntil: Date | null;
  /** Null if no definition has arrived. A limit without a definition is called partial. */
  readonly definition: (Sequenced & Definition) | null;
  /** The value before the current definition, even if the earlier definition arrived late. */
  readonly earlier: (Sequenced & Earlier) | null;
  /** The definitions before `earlier`, ascending. The first of them was in force when `change` happened. */
  readonly older: readonly (Sequenced & Earlier)[];
  readonly change: (Sequenced & Change) | null;
  readonly lastReset: (Sequenced & Reset) | null;
  readonly nextReset: (Sequenced & NextReset) | null;
  /** Increases with every change of the limit. */
  readonly version: number;
}

/**
 * A limit, computed from its events. Each part comes from the event with the latest place that sets this
 * part. So events may arrive in any order and any number of times, and the result is the same.
 */
export interface UserLimit extends LimitState {
  readonly definition: (Place & Definition) | null;
  readonly earlier: (Place & Earlier) | null;
  readonly older: readonly (Place & Earlier)[];
  readonly change: (Place & Change) | null;
  readonly lastReset: (Place & Reset) | null;
  readonly nextReset: (Place & NextReset) | null;
  /**
   * The highest threshold for which the user got a notification since the last reset, and the place of the
   * progress that reached the threshold.
   */
  readonly notifiedThreshold: (Place & Threshold) | null;
  readonly updatedAt: Date;
}

/** A limit as the API shows it, with the time zone of its user's days. */
export interface ShownLimit extends LimitState {
  readonly timeZone: string;
}

/** The whole limit, with the time zone of its user's days. */
export interface ZonedLimit extends UserLimit {
  readonly timeZone: string;
}

/** Selects limits of a user. An absent field does not restrict. */
export interface LimitFilter {
  readonly brandId?: string;
  readonly types?: readonly LimitType[];
  readonly periods?: readonly LimitPeriod[];
  readonly userLimitId?: string;
  /** Selects limits whose status at the time `at` is in `any`. */
  readonly statuses?: { readonly any: readonly LimitStatus[]; readonly at: Date };
}

/** An event in the history of a limit. */
export interface LimitRecord extends LimitKey {
  readonly source: string;
  readonly eventId: string;
  /** The producer's name of the event type. */
  readonly type: LimitEventType;
  readonly sequence: bigint;
  readonly occurredAt: Date;
  /** The progress that the event states. Null if the event states none. */
  readonly progressAfter: Decimal | null;
  readonly raw: string;
}

interface Definition {
  readonly value: Decimal;
  /** The previous value according to the event. Null if the event does not state it. */
  readonly statedPrevious: Decimal | null;
  /** The initial progress. This progress is used until another event sets the progress. */
  readonly initialProgress: Decimal | null;
}

/**
 * The amounts of the latest progress or reset, as its event states them. To compute the progress from them,
 * the value that was in force at that time is needed. The value may become known later.
 */
interface Change {
  readonly previousProgress: Decimal;
  readonly amount: Decimal;
  readonly remaining: Decimal | null;
}

interface Reset {
  readonly at: Date;
  /** The value of the limit, if the reset contains it. */
  readonly value: Decimal | null;
}

interface Earlier {
  readonly value: Decimal;
}

interface NextReset {
  readonly at: Date;
}

interface Threshold {
  readonly percent: number;
}

/** Whether `one` is later than `other`. True if `other` is null. */
export function isLater(one: Place, other: Place | null): boolean {
  if (!other || one.sequence !== other.sequence) return !other || one.sequence > other.sequence;
  return one.event > other.event;
}

const placeOf = ({ source, id, data }: LimitEvent): Place => ({
  sequence: BigInt(data.sequenceNumber),
  event: `${source}/${id}`,
});

/** A limit without events. */
export function unknownLimit({ tenantId, userId, userLimitId }: LimitKey, now: Date): UserLimit {
  return {
    tenantId,
    userId,
    userLimitId,
    brandId: '',
    currencyCode: null,
    type: 'UNKNOWN',
    period: 'UNKNOWN',
    status: 'UNKNOWN',
    activeFrom: null,
    activeUntil: null,
    definition: null,
    earlier: null,
    older: [],
    change: null,
    lastReset: null,
    nextReset: null,
    notifiedThreshold: null,
    version: 0,
    updatedAt: now,
  };
}

/**
 * Returns the limit with a new version. The version is greater than every earlier version, even if the user
 * was erased in between.
 */
export function changedAt<Limit extends UserLimit>(limit: Limit, now: Date): Limit {
  return { ...limit, version: Math.max(limit.version + 1, now.getTime()), updatedAt: now };
}

/** Returns the limit after an event. Returns the same object if the event changes nothing. */
export function applyLimitEvent(limit: UserLimit, event: LimitEvent, now: Date): UserLimit {
  switch (event.type) {
    case 'userLimitCreated':
      return createUserLimit(limit, event, now);
    case 'userLimitProgressChanged':
      return updateUserLimitProgress(limit, event);
    case 'userLimitReset':
      return resetUserLimit(limit, event);
    default:
      return event satisfies never;
  }
}

/** Defines or redefines a limit. The progress does not change. */
export function createUserLimit(limit: UserLimit, event: UserLimitCreated, now: Date): UserLimit {
  const { data } = event;
  const place = placeOf(event);
  const { definition } = limit;
  if (!isLater(place, definition)) {
    const isRepeat = place.event === definition?.event;
    const known = isRepeat ? limit : withEarlier(limit, { ...place, value: data.value });
    return withNextReset(known, event, place);
  }
  const activeFrom = data.activeFrom ?? null;
  const activeUntil = data.activeUntil ?? null;
  const replaced = definition && {
    sequence: definition.sequence,
    event: definition.event,
    value: definition.value,
  };
  const defined: UserLimit = {
    ...(replaced ? withEarlier(limit, replaced) : limit),
    brandId: data.brandId,
    currencyCode: data.currencyCode ?? null,
    type: data.type,
    period: data.period,
    status: statusAt({ status: data.status, activeFrom, activeUntil }, now),
    activeFrom,
    activeUntil,
    definition: {
      ...place,
      value: data.value,
      statedPrevious: data.previousLimitValue ?? null,
      initialProgress: data.progress ?? null,
    },
  };
  return withNextReset(defined, event, place);
}

/**
 * The maximum number of definitions that are stored in addition to the last two. For a progress event that is
 * older than all stored definitions, the progress is the sum that the event states.
 */
const maxOlder = 100;

/** Adds a definition that is not the latest. Returns the same object if nothing depends on the definition. */
function withEarlier(limit: UserLimit, one: Place & Earlier): UserLimit {
  const { earlier, older, change } = limit;
  if (!earlier) return { ...limit, earlier: one };
  if ([earlier, ...older].some(({ event }) => event === one.event)) return limit;
  const [newer, other] = isLater(one, earlier) ? [one, earlier] : [earlier, one];
  const all = [...older, other].sort((a, b) => (isLater(a, b) ? 1 : -1));
  const kept = sinceChange(all, newer, change);
  if (newer === earlier && !kept.includes(one)) return limit;
  return { ...limit, earlier: newer, older: kept };
}

/**
 * Returns the older definitions that are still needed: for the progress of `change`, or for a change with a
 * later place that has not arrived yet.
 */
function sinceChange(
  older: readonly (Place & Earlier)[],
  earlier: Sequenced | null,
  change: Sequenced | null,
): readonly (Place & Earlier)[] {
  const isBefore = (one: Sequenced) => change !== null && one.sequence <= change.sequence;
  if (earlier === null || isBefore(earlier)) return [];
  return older.slice(Math.max(0, older.findLastIndex(isBefore), older.length - maxOlder));
}

/** Sets the progress to the sum of the previous progress and the amount. */
export function updateUserLimitProgress(limit: UserLimit, event: UserLimitProgressChanged): UserLimit {
  const place = placeOf(event);
  return withNextReset(withChange(limit, event, place, changeOf(event)), event, place);
}

/** Returns the amounts of a progress event, unchanged. */
export function changeOf({
  data: { previousProgress, amount, remainingAmount },
}: UserLimitProgressChanged): Change {
  return { previousProgress, amount, remaining: remainingAmount ?? null };
}

/** Returns the value of the limit according to a reset. Null if the reset does not state the value. */
export function resetValueOf({ data: { resetAmount, unusedAmount } }: UserLimitReset): Decimal | null {
  return unusedAmount === undefined ? null : add(resetAmount, unusedAmount);
}

const nothingUsed: Change = { previousProgress: '0', amount: '0', remaining: null };

/** Sets the progress to 0. If the limit has no definition, the reset also sets the value. */
export function resetUserLimit(limit: UserLimit, event: UserLimitReset): UserLimit {
  const { type, period } = event.data;
  const place = placeOf(event);
  const changed = withNextReset(withChange(limit, event, place, nothingUsed), event, place);
  if (!isLater(place, limit.lastReset)) return changed;
  return {
    ...changed,
    ...(limit.definition === null && { type, period }),
    lastReset: { ...place, at: event.occurredAt, value: resetValueOf(event) },
  };
}

function withChange(
  limit: UserLimit,
  { data }: LimitEvent,
  { sequence, event }: Place,
  said: Change,
): UserLimit {
  if (!isLater({ sequence, event }, limit.change)) return limit;
  const change = { sequence, event, ...said };
  const changed = { ...limit, change, older: sinceChange(limit.older, limit.earlier, change) };
  if (limit.definition) return changed;
  return { ...changed, brandId: data.brandId, currencyCode: data.currencyCode ?? null };
}

function withNextReset(limit: UserLimit, { data: { nextResetAt: at } }: LimitEvent, place: Place): UserLimit {
  return at && isLater(place, limit.nextReset) ? { ...limit, nextReset: { ...place, at } } : limit;
}

/**
 * Returns the status at the time `now`. A FUTURE limit becomes active at `activeFrom`. Every limit ends at
 * `activeUntil`.
 */
export function statusAt(
  { status, activeFrom, activeUntil }: Pick<LimitState, 'status' | 'activeFrom' | 'activeUntil'>,
  now: Date,
): LimitStatus {
  if (status === 'UNKNOWN' || status === 'CANCELED') return status;
  if (activeUntil && activeUntil <= now) return 'CANCELED';
  return status === 'FUTURE' && activeFrom && activeFrom <= now ? 'ACTIVE' : status;
}

/** Returns the next time at which the status changes without an event. Null if there is none. */
export function limitDueAt({ status, activeFrom, activeUntil }: LimitState): Date | null {
  if (status === 'UNKNOWN' || status === 'CANCELED') return null;
  const begins = status === 'FUTURE' ? activeFrom : null;
  if (begins && activeUntil) return begins < activeUntil ? begins : activeUntil;
  return begins ?? activeUntil;
}

/** Returns the value. Null until a definition or a reset states the value. */
export function limitValueOf({ definition, lastReset }: LimitState): Decimal | null {
  return definition?.value ?? lastReset?.value ?? null;
}

/** Returns the value before the last redefinition. Null if the limit was never redefined. */
export function previousValueOf({ definition, earlier }: LimitState): Decimal | null {
  return definition && (definition.statedPrevious ?? earlier?.value ?? null);
}

/**
 * Returns the value that was in force when `change` happened. Null if unknown. Later definitions do not
 * affect the progress of earlier changes.
 */
function valueAtChange({ definition, earlier, older, change, lastReset }: LimitState): Decimal | null {
  const isBefore = (one: Sequenced | null) =>
    one !== null && change !== null && one.sequence <= change.sequence;
  const inForce = [definition, earlier].find(isBefore) ?? older.findLast(isBefore);
  return inForce?.value ?? lastReset?.value ?? null;
}

/** Returns the progress, which is the used amount of the limit. */
export function progressOf(limit: LimitState): Decimal {
  const { change, definition } = limit;
  return change ? progressAfter(change, valueAtChange(limit)) : (definition?.initialProgress ?? '0');
}

/**
 * Returns the progress after a change. `value` is the value that was in force. Some producers send the whole
 * progress as `amount`. If `amount` plus their `remaining` equals the value, and the usual sum does not, then
 * `amount` is the progress.
 */
export function progressAfter(
  { previousProgress, amount, remaining }: Change,
  value: Decimal | null,
): Decimal {
  const sum = add(previousProgress, amount);
  if (remaining === null || value === null || compare(add(sum, remaining), value) === 0) return sum;
  return compare(add(amount, remaining), value) === 0 ? amount : sum;
}

/** Whether the used and the remaining amount of the latest progress do not add up to the value. */
export function disagrees(limit: LimitState): boolean {
  const { change } = limit;
  const value = valueAtChange(limit);
  if (!change || change.remaining === null || value === null) return false;
  const sum = add(change.previousProgress, change.amount);
  return compare(subtract(value, sum), change.remaining) !== 0;
}

/**
 * Returns the events that determine the state of a limit. Without any other event, the state would be the
 * same.
 */
export function standsOn({
  definition,
  earlier,
  older,
  change,
  lastReset,
  nextReset,
}: UserLimit): readonly string[] {
  return [definition, earlier, ...older, change, lastReset, nextReset].flatMap((place) => place?.event ?? []);
}

/** Returns the highest sequence number of the definition and the progress. 0 if there is neither. */
export function sequenceOf({ definition, change }: LimitState): bigint {
  const [a, b] = [definition?.sequence ?? 0n, change?.sequence ?? 0n];
  return a > b ? a : b;
}
