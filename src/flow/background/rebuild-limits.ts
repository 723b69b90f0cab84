import { isDeepStrictEqual } from 'node:util';
import {
  changedAt,
  type LimitKey,
  standsOn,
  statusAt,
  type UserLimit,
  type ZonedLimit,
} from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { distinctUsers, userKeyOf } from '../../domain/user.ts';
import { rereadLimitEvent } from '../../events/limit-event.ts';
import type { KeptLimitEvent, LimitTransaction } from '../../ports/store/limits.ts';
import type { UserTransaction } from '../../ports/store/users.ts';
import { applyLimitEvents, limitKeyOf } from '../apply/apply-limits.ts';

/** The maximum number of events in memory at the same time. */
const eventsAtOnce = 2_000;

/** The result of comparing limits with their stored events. */
interface RefoldedLimits {
  /** The limits that differ from their events, in their correct state. Each limit has a new version. */
  readonly differing: readonly ZonedLimit[];
  /** The number of limits whose events are partly removed or unreadable. */
  readonly unfounded: number;
}

/**
 * Computes limits from all of their stored events, while their users are locked. Does not write to the store.
 * `keys` are sorted.
 *
 * A limit keeps the threshold for which its user was last notified. If the row of a limit is missing, the
 * limit gets the highest threshold that its events reach. So no user is notified twice.
 */
export async function refoldLimits(
  transaction: UserTransaction & LimitTransaction,
  keys: readonly LimitKey[],
  { now, thresholds }: { readonly now: Date; readonly thresholds: LimitThresholds | undefined },
): Promise<RefoldedLimits> {
  const [first, last] = [keys[0], keys.at(-1)];
  if (!first || !last) return { differing: [], unfounded: 0 };
  const users = await transaction.lockUsers(distinctUsers(keys));
  const existing = new Set(users.map(userKeyOf));
  const own = keys.filter((key) => existing.has(userKeyOf(key)));
  const stored = new Map((await transaction.limits(own)).map((limit) => [limitKeyOf(limit), limit]));
  const missing = new Map(
    own.map(limitKeyOf).map((key) => {
      const limit = stored.get(key);
      return [key, new Set(limit && standsOn(limit))];
    }),
  );

  function eventOf(record: KeptLimitEvent) {
    const { tenantId, userId, source, eventId, raw } = record;
    const missed = missing.get(limitKeyOf(record));
    const event = missed && rereadLimitEvent(raw, { id: eventId, source, tenantId, userId });
    if (event) missed.delete(`${source}/${eventId}`);
    else missed?.add(`${source}/${eventId}`);
    return event;
  }

  let refolded: readonly ZonedLimit[] = [];
  for (let after: (LimitKey & Partial<KeptLimitEvent>) | undefined = first; after; ) {
    const records = await transaction.keptLimitEvents(last, { first: eventsAtOnce, after });
    const events = records.flatMap((record) => eventOf(record) ?? []);
    const options = { now, thresholds };
    refolded = applyLimitEvents({ users, found: refolded }, events, new Set(events), options).all;
    after = records.length < eventsAtOnce ? undefined : records.at(-1);
  }

  const differing = refolded.flatMap((limit): readonly ZonedLimit[] => {
    const key = limitKeyOf(limit);
    const before = stored.get(key);
    if (missing.get(key)?.size !== 0) return [];
    if (before && isDeepStrictEqual(derivedFields(before, now), derivedFields(limit, now))) return [];
    const { notifiedThreshold, version } = before ?? {
      notifiedThreshold: limit.notifiedThreshold,
      version: 0,
    };
    return [changedAt({ ...limit, notifiedThreshold, version }, now)];
  });
  return { differing, unfounded: [...missing.values()].filter(({ size }) => size > 0).length };
}

/** The fields of a limit that its events determine. */
function derivedFields(limit: UserLimit & Partial<ZonedLimit>, now: Date) {
  const { notifiedThreshold, version, updatedAt, timeZone, ...fields } = limit;
  const { change } = fields;
  // A `numeric` of PostgreSQL cannot store -0.
  const remaining = change?.remaining?.replace(/^-(?=[0.]+$)/, '') ?? null;
  return { ...fields, status: statusAt(limit, now), change: change && { ...change, remaining } };
}
