import { randomUUID } from 'node:crypto';
import type { LimitKey, ZonedLimit } from '../domain/limit.ts';
import type { UserKey } from '../domain/user.ts';
import type { LimitEvent } from '../events/limit.ts';
import { decodeLimitEvent, type LimitEventType } from '../events/limit-event.ts';
import type { Fields } from '../events/record.ts';
import { limitKeyOf } from '../flow/apply/apply-limits.ts';
import { type LimitHistoryEvent, withProgress } from '../flow/read/limit-history.ts';
import type { Store } from '../ports/store/store.ts';
import { rawRecord, testNow } from './event.ts';

const brand = { brandId: 'brand-1', currencyCode: 'EUR' };

/** The default payloads. */
const payloads: Readonly<Record<LimitEventType, Fields>> = {
  USER_LIMIT_CREATED: {
    ...brand,
    activeFrom: testNow.getTime(),
    nextResetTime: testNow.getTime() + 86_400_000,
    period: 'DAY',
    status: 'ACTIVE',
    type: 'DEPOSIT',
    value: '100.00',
  },
  USER_LIMIT_PROGRESS_CHANGED: {
    ...brand,
    amount: '10.00',
    previousProgress: '0.00',
    nextResetTime: testNow.getTime() + 86_400_000,
  },
  USER_LIMIT_RESET: {
    ...brand,
    nextResetTime: testNow.getTime() + 2 * 86_400_000,
    period: 'DAY',
    type: 'DEPOSIT',
    resetAmount: '10.00',
    resetPercentage: '10',
    unusedAmount: '90.00',
  },
};

/**
 * Returns an event about limit-1 of alice as its producer writes it. The third argument replaces payload
 * fields, the fourth replaces event fields.
 */
export function wireLimitEvent(
  type: LimitEventType,
  sequenceNumber: number,
  { userId = 'alice', ...payload }: Fields & { readonly userId?: string } = {},
  fields: Fields = {},
): Fields {
  return {
    aggregateId: userId,
    context: { correlationId: randomUUID() },
    createdAt: testNow.getTime() + sequenceNumber * 1_000,
    eventId: randomUUID().replaceAll('-', '').slice(0, 20),
    payload: { userId, userLimitId: 'limit-1', ...payloads[type], ...payload },
    sequenceNumber,
    source: 'limitUser',
    type,
    ...fields,
  };
}

/** Returns the latest 100 events of a limit, with the progress after each event. */
export async function historyOf(store: Store, key: LimitKey): Promise<readonly LimitHistoryEvent[]> {
  const [entries = []] = await store.limitHistories([{ ...key, first: 100 }]);
  return entries.map(withProgress);
}

/** Returns the complete limits of the users, ordered by user and id. */
export async function limitsOf(store: Store, users: readonly UserKey[]): Promise<readonly ZonedLimit[]> {
  const shown = (await store.limits(users)).flatMap(({ limits }) => limits);
  const whole = await store.transaction((transaction) => transaction.limits(shown));
  const byKey = new Map(whole.map((limit) => [limitKeyOf(limit), limit]));
  return shown.flatMap((one) => {
    const limit = byKey.get(limitKeyOf(one));
    return limit ? { ...limit, timeZone: one.timeZone } : [];
  });
}

/** Returns the record of a limit event, with the key of its user. */
export function limitRecord(wire: Fields, offset = 1) {
  const key = `default/${wire['aggregateId']}`;
  return { ...rawRecord(JSON.stringify(wire), offset), topic: 'user-limit-events', key };
}

/** Returns the decoded event. Throws with the reason if the event is ignored or invalid. */
export function limitEvent(...args: Parameters<typeof wireLimitEvent>): LimitEvent {
  const wire = wireLimitEvent(...args);
  const decoded = decodeLimitEvent(wire, limitRecord(wire));
  if (decoded.kind !== 'event') throw new Error(JSON.stringify(decoded));
  return decoded.event as LimitEvent;
}
