import { v5 as uuidV5 } from 'uuid';
import { add } from '../../domain/decimal.ts';
import {
  applyLimitEvent,
  changedAt,
  disagrees,
  type LimitKey,
  type LimitRecord,
  type UserLimit,
  unknownLimit,
  type ZonedLimit,
} from '../../domain/limit.ts';
import { limitNotification } from '../../domain/limit-notification.ts';
import { crossedThreshold, type LimitThresholds } from '../../domain/limit-use.ts';
import type { Notification } from '../../domain/notification.ts';
import { type User, userKeyOf } from '../../domain/user.ts';
import type { LimitEvent } from '../../events/limit.ts';
import { wireTypeOf } from '../../events/limit-event.ts';

/** The UUID namespace of the ids of notifications about limits. */
const notificationNamespace = 'a3d0b0f6-2f0e-4d57-9d0f-1f7f5f0d6c55';

/** The changes of a batch of limit events: the rows to write and the notifications to send. */
export interface LimitChanges {
  /** Every limit that the events name, in its new state. */
  readonly all: readonly ZonedLimit[];
  readonly changed: readonly ZonedLimit[];
  readonly records: readonly LimitRecord[];
  /** The notifications to deliver in the same transaction. */
  readonly notifications: readonly Notification[];
  readonly disagreements: number;
}

export const noLimitChanges: LimitChanges = {
  all: [],
  changed: [],
  records: [],
  notifications: [],
  disagreements: 0,
};

/** The key of a limit in a map. */
export const limitKeyOf = ({ tenantId, userId, userLimitId }: LimitKey) =>
  `${userKeyOf({ tenantId, userId })}\n${userLimitId}`;

/** Limits whose users are locked. */
export interface LockedLimits {
  readonly users: readonly User[];
  readonly found: readonly UserLimit[];
}

/**
 * Computes the changes that the events in `fresh` make, in the order of `events`. Does not write to the
 * store.
 */
export function applyLimitEvents(
  { users, found }: LockedLimits,
  events: readonly LimitEvent[],
  fresh: ReadonlySet<object>,
  { now, thresholds }: { readonly now: Date; readonly thresholds: LimitThresholds | undefined },
): LimitChanges {
  const before = new Map(found.map((limit) => [limitKeyOf(limit), limit]));
  const limits = new Map<string, UserLimit>(before);
  const records: LimitRecord[] = [];
  const notifications: Notification[] = [];
  let disagreements = 0;
  for (const event of events) {
    if (!fresh.has(event)) continue;
    const { tenantId, userId, data } = event;
    const limitKey = { tenantId, userId, userLimitId: data.userLimitId };
    const key = limitKeyOf(limitKey);
    const known = limits.get(key) ?? unknownLimit(limitKey, now);
    let limit = applyLimitEvent(known, event, now);
    if (event.type === 'userLimitProgressChanged' && limit.change !== known.change && disagrees(limit))
      disagreements += 1;
    const percent = limit === known || !thresholds ? undefined : crossedThreshold(limit, thresholds);
    if (percent !== undefined) {
      const id = uuidV5(
        JSON.stringify([event.tenantId, event.source, event.id, percent]),
        notificationNamespace,
      );
      notifications.push(limitNotification(limit, { id, percent, now }));
      const { sequence = 0n, event: reachedBy = '' } = limit.change ?? {};
      limit = { ...limit, notifiedThreshold: { sequence, event: reachedBy, percent } };
    }
    limits.set(key, limit);
    records.push(recordOf(event));
  }
  const zones = new Map(users.map((user) => [userKeyOf(user), user.timeZone]));
  const all = [...limits].map(([key, limit]): ZonedLimit => {
    const timeZone = zones.get(userKeyOf(limit)) ?? 'UTC';
    return { ...(limit === before.get(key) ? limit : changedAt(limit, now)), timeZone };
  });
  const changed = all.filter((limit) => limit.version !== before.get(limitKeyOf(limit))?.version);
  return { all, changed, records, notifications, disagreements };
}

function recordOf(event: LimitEvent): LimitRecord {
  const { tenantId, userId, source, id, occurredAt, data } = event;
  return {
    tenantId,
    userId,
    userLimitId: data.userLimitId,
    source,
    eventId: id,
    type: wireTypeOf(event),
    sequence: BigInt(data.sequenceNumber),
    occurredAt,
    progressAfter: statedProgress(event),
    raw: data.raw,
  };
}

/**
 * Returns the progress that the event states. Null if it states none. An event that is too late to change the
 * limit also states a progress. `limit-history.ts` computes the effective progress.
 */
function statedProgress(event: LimitEvent): string | null {
  switch (event.type) {
    case 'userLimitCreated':
      return event.data.progress ?? null;
    case 'userLimitProgressChanged':
      return add(event.data.previousProgress, event.data.amount);
    case 'userLimitReset':
      return '0';
    default:
      return event satisfies never;
  }
}
