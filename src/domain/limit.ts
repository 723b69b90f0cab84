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

/** Names a limit: its id is the caller's own, and another user may have one of the same id. */
export interface LimitKey extends UserKey {
  readonly userLimitId: string;
}

interface Sequenced {
  readonly sequence: bigint;
}

/**
 * Where an event stands among those of its limit. Of two events that say the same thing, the one that stands later is
 * right, in whichever order they come; two at the same place have their ids to tell which that is.
 */
export interface Place extends Sequenced {
  /** Source and id of the event. */
  readonly event: string;
}

/** What a limit amounts to, whichever events say it. */
export interface LimitState extends LimitKey {
  /** The definition's; while there is none, from what progress and resets say besides. */
  readonly brandId: string;
  readonly currencyCode: string | null;
  readonly type: LimitType;
  readonly period: LimitPeriod;
  readonly status: LimitStatus;
  readonly activeFrom: Date | null;
  readonly activeUntil: Date | null;
  /** null: the limit is partial. */
  readonly definition: (Sequenced & Definition) | null;
  /** The value before the definition, or of a definition that came late. */
  readonly earlier: (Sequenced & Earlier) | null;
  /** Definitions before that one, ascending, back to the one in force at the change: the change says how much of its value is left. */
  readonly older: readonly (Sequenced & Earlier)[];
  readonly change: (Sequenced & Change) | null;
  readonly lastReset: (Sequenced & Reset) | null;
  readonly nextReset: (Sequenced & NextReset) | null;
  /** Grows with every change. */
  readonly version: number;
}

/**
 * A limit as its events say, each part from the latest event that says it. So events may come in any order, and any number of
 * times: the parts end up the same.
 */
export interface UserLimit extends LimitState {
  readonly definition: (Place & Definition) | null;
  readonly earlier: (Place & Earlier) | null;
  readonly older: readonly (Place & Earlier)[];
  readonly change: (Place & Change) | null;
  readonly lastReset: (Place & Reset) | null;
  readonly nextReset: (Place & NextReset) | null;
  /** The highest threshold the user was told of since the last reset, and where the progress that reached it stands. */
  readonly notifiedThreshold: (Place & Threshold) | null;
  readonly updatedAt: Date;
}

/** What is shown of a limit, with the zone in which its user's days are cut. */
export interface ShownLimit extends LimitState {
  readonly timeZone: string;
}

/** A limit as a whole, with the zone in which its user's days are cut. */
export interface ZonedLimit extends UserLimit {
  readonly timeZone: string;
}

/** Which limits of a user; what is absent is not asked for. */
export interface LimitFilter {
  readonly brandId?: string;
  readonly types?: readonly LimitType[];
  readonly periods?: readonly LimitPeriod[];
  readonly userLimitId?: string;
  /** As they are at a moment. */
  readonly statuses?: { readonly any: readonly LimitStatus[]; readonly at: Date };
}

/** An event of a limit, for its history. */
export interface LimitRecord extends LimitKey {
  readonly source: string;
  readonly eventId: string;
  /** As the producer calls it. */
  readonly type: LimitEventType;
  readonly sequence: bigint;
  readonly occurredAt: Date;
  /** null: the event does not say; it is what it was before. */
  readonly progressAfter: Decimal | null;
  readonly raw: string;
}

interface Definition {
  readonly value: Decimal;
  /** What the event itself says was the value before. */
  readonly statedPrevious: Decimal | null;
  /** Where progress starts, as long as nothing else says where it is. */
  readonly initialProgress: Decimal | null;
}

/**
 * The latest progress or reset, as it came: what it amounts to depends on the value that was in force, which may become known
 * later.
 */
interface Change {
  readonly previousProgress: Decimal;
  readonly amount: Decimal;
  readonly remaining: Decimal | null;
}

interface Reset {
  readonly at: Date;
  /** Of the limit, as far as the reset says. */
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

/** Whether an event stands behind another, or there is no other. */
export function isLater(one: Place, other: Place | null): boolean {
  if (!other || one.sequence !== other.sequence) return !other || one.sequence > other.sequence;
  return one.event > other.event;
}

const placeOf = ({ source, id, data }: LimitEvent): Place => ({
  sequence: BigInt(data.sequenceNumber),
  event: `${source}/${id}`,
});

/** A limit of which nothing is known yet. */
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

/** The limit as a new version: beyond every one it had, also when its user was erased and came again. */
export function changedAt<Limit extends UserLimit>(limit: Limit, now: Date): Limit {
  return { ...limit, version: Math.max(limit.version + 1, now.getTime()), updatedAt: now };
}

/** The limit after an event, wherever it came from; the same object when the event changes nothing. */
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

/** Defines a limit, or defines it anew; progress stays as it is. */
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

/** Definitions that are kept behind the last two at most. Should progress be older than all of them, it is the sum it says. */
const maxOlder = 100;

/** With a definition that is not the latest; the same limit when nothing needs to know of it. */
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

/** Those of the older definitions that the change, or one that comes later and stands behind it, can depend on. */
function sinceChange(
  older: readonly (Place & Earlier)[],
  earlier: Sequenced | null,
  change: Sequenced | null,
): readonly (Place & Earlier)[] {
  const isBefore = (one: Sequenced) => change !== null && one.sequence <= change.sequence;
  if (earlier === null || isBefore(earlier)) return [];
  return older.slice(Math.max(0, older.findLastIndex(isBefore), older.length - maxOlder));
}

/** Sets how much is used: what was before and what came on top. */
export function updateUserLimitProgress(limit: UserLimit, event: UserLimitProgressChanged): UserLimit {
  const place = placeOf(event);
  return withNextReset(withChange(limit, event, place, changeOf(event)), event, place);
}

/** What progress says, as it came. */
export function changeOf({
  data: { previousProgress, amount, remainingAmount },
}: UserLimitProgressChanged): Change {
  return { previousProgress, amount, remaining: remainingAmount ?? null };
}

/** What a reset says that the value is; null when it does not. */
export function resetValueOf({ data: { resetAmount, unusedAmount } }: UserLimitReset): Decimal | null {
  return unusedAmount === undefined ? null : add(resetAmount, unusedAmount);
}

const nothingUsed: Change = { previousProgress: '0', amount: '0', remaining: null };

/** Nothing is used any more. Of a limit that was never seen this says what its value must have been. */
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

/** A limit that is to come is active from its first moment on; nothing outlives its last. */
export function statusAt(
  { status, activeFrom, activeUntil }: Pick<LimitState, 'status' | 'activeFrom' | 'activeUntil'>,
  now: Date,
): LimitStatus {
  if (status === 'UNKNOWN' || status === 'CANCELED') return status;
  if (activeUntil && activeUntil <= now) return 'CANCELED';
  return status === 'FUTURE' && activeFrom && activeFrom <= now ? 'ACTIVE' : status;
}

/** The next moment at which time changes its status; null when it never does. */
export function limitDueAt({ status, activeFrom, activeUntil }: LimitState): Date | null {
  if (status === 'UNKNOWN' || status === 'CANCELED') return null;
  const begins = status === 'FUTURE' ? activeFrom : null;
  if (begins && activeUntil) return begins < activeUntil ? begins : activeUntil;
  return begins ?? activeUntil;
}

/** null while no definition was seen and no reset says it. */
export function limitValueOf({ definition, lastReset }: LimitState): Decimal | null {
  return definition?.value ?? lastReset?.value ?? null;
}

/** The value before the limit was defined anew; null when it was not. */
export function previousValueOf({ definition, earlier }: LimitState): Decimal | null {
  return definition && (definition.statedPrevious ?? earlier?.value ?? null);
}

/** The value that was in force at the change, as far as it is known: what is defined later has no say in what was used. */
function valueAtChange({ definition, earlier, older, change, lastReset }: LimitState): Decimal | null {
  const isBefore = (one: Sequenced | null) =>
    one !== null && change !== null && one.sequence <= change.sequence;
  const inForce = [definition, earlier].find(isBefore) ?? older.findLast(isBefore);
  return inForce?.value ?? lastReset?.value ?? null;
}

/** How much is used. */
export function progressOf(limit: LimitState): Decimal {
  const { change, definition } = limit;
  return change ? progressAfter(change, valueAtChange(limit)) : (definition?.initialProgress ?? '0');
}

/**
 * How much is used after a change, by the value that is in force. Some producers mean by `amount` all that is used: then it
 * alone agrees with what they say remains.
 */
export function progressAfter(
  { previousProgress, amount, remaining }: Change,
  value: Decimal | null,
): Decimal {
  const sum = add(previousProgress, amount);
  if (remaining === null || value === null || compare(add(sum, remaining), value) === 0) return sum;
  return compare(add(amount, remaining), value) === 0 ? amount : sum;
}

/** Whether what the latest progress says was used and what it says remains do not make up the value. */
export function disagrees(limit: LimitState): boolean {
  const { change } = limit;
  const value = valueAtChange(limit);
  if (!change || change.remaining === null || value === null) return false;
  const sum = add(change.previousProgress, change.amount);
  return compare(subtract(value, sum), change.remaining) !== 0;
}

/** The events that a limit stands on: without any of the others it would be the same. */
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

/** Place of the last event that was applied. */
export function sequenceOf({ definition, change }: LimitState): bigint {
  const [a, b] = [definition?.sequence ?? 0n, change?.sequence ?? 0n];
  return a > b ? a : b;
}
