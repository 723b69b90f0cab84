import { LRUCache } from 'lru-cache';
import { type Activity, type ActivityTypeKey, otherType } from '../../domain/activity.ts';
import { pageViewType } from '../../events/activity.ts';
import type { ActivityTransaction } from '../../ports/store/activity.ts';

/** The most tenants whose types are remembered. */
const maxTenants = 10_000;

/** The longest name that counts as a type, in bytes. An answer of the API may name up to 75 000 types. */
const maxNameBytes = 64;

/**
 * How long the types of a tenant are remembered, in ms. The sweep forgets types that no activity has any
 * more.
 */
const rememberedMs = 3_600_000;

type KnownTypes = ReadonlyMap<string, ReadonlySet<string>>;

/** Activities with the types they count as. */
export interface NamedActivities {
  readonly activities: readonly Activity[];
  /** How many of the activities count as `other`, because their tenant has no room for more types. */
  readonly others: number;
  /** The types that the transaction read. Call `learn` with them after the commit. */
  readonly learned: KnownTypes;
}

/**
 * Decides which type an activity counts as. An activity counts as its own type if its tenant has at most
 * `max` types and the name has at most 64 bytes. Otherwise it counts as `other`.
 *
 * The types are in the database, so all workers decide alike. The types of a tenant are remembered, so that
 * known types and full lists cost no statement.
 */
export function createActivityTypes({ max }: { readonly max: number }) {
  const remembered = new LRUCache<string, ReadonlySet<string>>({ max: maxTenants, ttl: rememberedMs });

  /**
   * The types that need a statement, each once. A type needs none if it is remembered or if the list of its
   * tenant is full.
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

    /** Remembers committed types. */
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
