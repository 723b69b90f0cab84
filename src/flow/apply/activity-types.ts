import { LRUCache } from 'lru-cache';
import { type Activity, type ActivityTypeKey, otherType } from '../../domain/activity.ts';
import { pageViewType } from '../../events/activity.ts';
import type { ActivityTransaction } from '../../ports/store/activity.ts';

/** Tenants whose types are remembered. */
const maxTenants = 10_000;

/** The longest type that is counted by name, in bytes: an answer names up to 75 000 types. */
const maxNameBytes = 64;

/** How long they are, in ms: the sweep forgets types that are not counted any more. */
const rememberedMs = 3_600_000;

type KnownTypes = ReadonlyMap<string, ReadonlySet<string>>;

/** Activities with the types they count as. */
export interface NamedActivities {
  readonly activities: readonly Activity[];
  /** How many count as `other` for want of room. */
  readonly others: number;
  /** What the transaction read; to be learned when it is committed. */
  readonly learned: KnownTypes;
}

/**
 * Decides which type an activity counts as: its own while its tenant has at most `max` types and the name has at most 64
 * bytes, otherwise `other`. The types are in the database, so that all workers decide alike. A full list, or a type on it, is
 * remembered and costs no statement.
 */
export function createActivityTypes({ max }: { readonly max: number }) {
  const remembered = new LRUCache<string, ReadonlySet<string>>({ max: maxTenants, ttl: rememberedMs });

  /** Types that are neither remembered nor ruled out by a full list, each once. */
  function undecided(activities: readonly Activity[]): readonly ActivityTypeKey[] {
    const found = new Map<string, ActivityTypeKey>();
    for (const { tenantId, activityType } of activities) {
      if (isAlwaysKnown(activityType) || isTooLong(activityType)) continue;
      const known = remembered.get(tenantId);
      if (known && (known.has(activityType) || known.size >= max)) continue;
      found.set(`${tenantId}/${activityType}`, { tenantId, activityType });
    }
    return [...found.values()];
  }

  return {
    async name(
      transaction: Pick<ActivityTransaction, 'claimActivityTypes'>,
      activities: readonly Activity[],
      now: Date,
    ): Promise<NamedActivities> {
      const wanted = undecided(activities);
      const learned =
        wanted.length === 0 ? noTypes : byTenant(await transaction.claimActivityTypes(wanted, max, now));
      let others = 0;
      const named = activities.map((activity) => {
        const { tenantId, activityType } = activity;
        if (isAlwaysKnown(activityType)) return activity;
        const known = learned.get(tenantId) ?? remembered.get(tenantId);
        if (known?.has(activityType) && !isTooLong(activityType)) return activity;
        others += 1;
        return { ...activity, activityType: otherType };
      });
      return { activities: named, others, learned };
    },

    /** Remembers types that are committed. */
    learn(types: KnownTypes): void {
      for (const [tenantId, known] of types) remembered.set(tenantId, known);
    },
  };
}

const noTypes: KnownTypes = new Map();

const isTooLong = (activityType: string) => Buffer.byteLength(activityType) > maxNameBytes;

const isAlwaysKnown = (activityType: string) => activityType === pageViewType || activityType === otherType;

function byTenant(types: readonly ActivityTypeKey[]): KnownTypes {
  const found = new Map<string, Set<string>>();
  for (const { tenantId, activityType } of types)
    found.set(tenantId, (found.get(tenantId) ?? new Set()).add(activityType));
  return found;
}
