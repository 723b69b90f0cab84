import { LRUCache } from 'lru-cache';
import { dayMs } from '../../domain/page-view.ts';
import type { Problem } from '../../domain/problem.ts';
import { userKeyOf } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';

/**
 * The maximum number of users, and the maximum number of tenants, whose amounts a quota remembers. If there
 * are more, the user or tenant whose amount was used least recently is evicted.
 */
const maxKeys = 100_000;

/**
 * The maximum amount that callers may record per UTC day, for one user and for one tenant. 0 means no quota.
 */
export interface DailyQuota {
  readonly perUser: number;
  readonly perTenant: number;
}

export const unlimited: DailyQuota = { perUser: 0, perTenant: 0 };

/**
 * The user and the tenant whose amounts increase. Without `userId`, only the amount of the tenant increases.
 */
interface Counted {
  readonly tenantId: string;
  readonly userId?: string;
}

/** The amount that was accepted today. */
interface Count {
  amount: number;
}

/** Limits the amount that this process accepts per UTC day. */
export interface Quota {
  /**
   * Adds `amount` to the amounts of a user and their tenant. If this would exceed a quota, adds nothing and
   * returns a problem.
   */
  take(counted: Counted, amount: number, path: readonly string[]): Problem | undefined;
  /** Returns the number of calls of `take` that returned a problem. */
  refused(): number;
}

/** Creates a quota. `what` is the plural noun for the counted things, for messages. */
export function createQuota(
  { clock }: { readonly clock: Clock },
  { perUser, perTenant }: DailyQuota,
  what: string,
): Quota {
  // Uses `maxSize`, because a cache with `max` allocates the memory for all keys at once.
  const bounds = { maxSize: maxKeys, sizeCalculation: () => 1 };
  const users = new LRUCache<string, Count>(bounds);
  const tenants = new LRUCache<string, Count>(bounds);
  let day = 0;
  let refused = 0;

  function beginDay(): void {
    const today = Math.floor(clock.now().getTime() / dayMs);
    if (today === day) return;
    day = today;
    users.clear();
    tenants.clear();
  }

  function problem(owner: string, limit: number, setting: string, path: readonly string[]): Problem {
    refused += 1;
    const resetAt = new Date((day + 1) * dayMs).toISOString();
    const message = `A ${owner} may record ${limit} ${what} per day (${setting}). Try again after ${resetAt}.`;
    return { code: 'QUOTA_EXCEEDED', message, path };
  }

  return {
    take({ tenantId, userId }, amount, path) {
      beginDay();
      const userKey = userId === undefined ? undefined : userKeyOf({ tenantId, userId });
      const ofUser = userKey === undefined ? undefined : countOf(users, userKey);
      const ofTenant = countOf(tenants, tenantId);
      if (ofUser && perUser > 0 && ofUser.amount + amount > perUser)
        return problem('user', perUser, 'QUOTA_PER_USER', path);
      if (perTenant > 0 && ofTenant.amount + amount > perTenant)
        return problem('tenant', perTenant, 'QUOTA_PER_TENANT', path);
      if (ofUser) ofUser.amount += amount;
      ofTenant.amount += amount;
      return undefined;
    },
    refused: () => refused,
  };
}

function countOf(counts: LRUCache<string, Count>, key: string): Count {
  let count = counts.get(key);
  if (!count) {
    count = { amount: 0 };
    counts.set(key, count);
  }
  return count;
}

/** Creates a quota for each kind of row that callers add. */
export const createQuotas = (deps: { readonly clock: Clock }, daily: DailyQuota) => ({
  /** Limits page views, other activities and viewed items together. */
  activity: createQuota(deps, daily, 'page views, activities and viewed items'),
  notifications: createQuota(deps, daily, 'notifications'),
  limitEvents: createQuota(deps, daily, 'limit events'),
  /** Limits published items per tenant. */
  items: createQuota(deps, daily, 'items'),
  /** Limits created and changed users per tenant. */
  users: createQuota(deps, daily, 'users'),
});

export type Quotas = ReturnType<typeof createQuotas>;
