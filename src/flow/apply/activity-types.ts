import { LRUCache } from 'lru-cache';
import { type Activity, type ActivityTypeKey, otherType } from '../../domain/activity.ts';
import { pageViewType } from '../../events/activity.ts';
import type { ActivityTransaction } from '../../ports/store/activity.ts';

/** The maximum number of tenants whose types are cached. */
const maxTenants = 10_000;

/**
 * The maximum length of the name of a type, in bytes. The length is limited because an answer of the API may
 * name up to 75 000 types.
 */
const maxNameBytes = 64;

/**
 * The time for which the types of a tenant are cached, in ms. The time is limited because the sweep removes
 * types that no activity has any more.
 */
const rememberedMs = 3_600_000;

type KnownTypes = ReadonlyMap<string, ReadonlySet<string>>;

/** Activities with the types that they count as. */
export interface NamedActivities {
  readonly activities: readonly Activity[];
  /**
   * The number of the activities that count as `other`, because their tenant has the maximum number of types
   * or the name of the type is too long.
   */
  readonly others: number;
  /** The types that the transaction read. Call `learn` with them after the commit. */
  readonly learned: KnownTypes;
}

/**
 * Creates an object that decides which type an activity counts as. An activity counts as its own type if this
 * type is among the `max` types of its tenant and has a name of at most 64 bytes. Otherwise the activity
 * counts as `other`.
 *
 * The types are stored in the database, so all workers decide in the same way. The types of a tenant are
 * cached, so known types and full lists need no statement.
 */
export function createActivityTypes({ max }: { readonly max: number }) {
  const remembered = new LRUCache<string, ReadonlySet<string>>({ max: maxTenants, ttl: rememberedMs });

  /**
   * Returns the types that need a statement, without duplicates. A type needs no statement if it is cached or
   * if its tenant has `max` types.
   */
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

    /** Caches committed types. */
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
