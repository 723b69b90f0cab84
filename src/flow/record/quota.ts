import { LRUCache } from 'lru-cache';
import { dayMs } from '../../domain/page-view.ts';
import type { Problem } from '../../domain/problem.ts';
import { userKeyOf } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';

/** How many users, and how many tenants, a quota remembers. It evicts the least recently counted. */
const maxKeys = 100_000;

/** The most that callers may record per UTC day for one user and for one tenant. 0 means no quota. */
export interface DailyQuota {
  readonly perUser: number;
  readonly perTenant: number;
}

export const unlimited: DailyQuota = { perUser: 0, perTenant: 0 };

/** The user and tenant to count for. Without `userId`, only the tenant is counted. */
interface Counted {
  readonly tenantId: string;
  readonly userId?: string;
}

/** The amount accepted today. */
interface Count {
  amount: number;
}

/** Limits what this process accepts per UTC day. */
export interface Quota {
  /**
   * Counts `amount` for a user and their tenant. If the amount exceeds a quota, returns a problem and counts
   * nothing.
   */
  take(counted: Counted, amount: number, path: readonly string[]): Problem | undefined;
  /** How many calls of `take` returned a problem. */
  refused(): number;
}

/** `what` is the plural noun for the counted things, for messages. */
export function createQuota(
  { clock }: { readonly clock: Clock },
  { perUser, perTenant }: DailyQuota,
  what: string,
): Quota {
  // The bound is a size, because a cache with `max` allocates the memory for all keys at once.
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

/** Creates one quota for each kind of row that callers add. */
export const createQuotas = (deps: { readonly clock: Clock }, daily: DailyQuota) => ({
  /** Covers page views, other activities and viewed items together. */
  activity: createQuota(deps, daily, 'page views, activities and viewed items'),
  notifications: createQuota(deps, daily, 'notifications'),
  limitEvents: createQuota(deps, daily, 'limit events'),
  /** Counts published items per tenant. */
  items: createQuota(deps, daily, 'items'),
  /** Counts created and changed users per tenant. */
  users: createQuota(deps, daily, 'users'),
});

export type Quotas = ReturnType<typeof createQuotas>;
