import { LRUCache } from 'lru-cache';
import { dayMs } from '../../domain/page-view.ts';
import type { Problem } from '../../domain/problem.ts';
import { userKeyOf } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';

/** Users, and tenants, that are remembered: those that were counted last. */
const maxKeys = 100_000;

/** How much may be recorded for one user, and for one tenant, per day of UTC. 0: any number. */
export interface DailyQuota {
  readonly perUser: number;
  readonly perTenant: number;
}

export const unlimited: DailyQuota = { perUser: 0, perTenant: 0 };

/** Whose day is counted. Without a user only the tenant's. */
interface Counted {
  readonly tenantId: string;
  readonly userId?: string;
}

/** What was accepted today. */
interface Count {
  amount: number;
}

/** Counts what this process accepts per day of UTC. */
export interface Quota {
  /** Counts `amount` for a user and their tenant. Returns a problem, and counts nothing, if the day has no room for it. */
  take(counted: Counted, amount: number, path: readonly string[]): Problem | undefined;
  /** How many calls of `take` had a problem. */
  refused(): number;
}

/** `what` names in the plural what is counted. */
export function createQuota(
  { clock }: { readonly clock: Clock },
  { perUser, perTenant }: DailyQuota,
  what: string,
): Quota {
  // Bounded by size: a cache with a `max` takes the memory for all its keys at once.
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

  function problem(whose: string, limit: number, setting: string, path: readonly string[]): Problem {
    refused += 1;
    const resetAt = new Date((day + 1) * dayMs).toISOString();
    const message = `A ${whose} may record ${limit} ${what} per day (${setting}). Try again after ${resetAt}.`;
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

/** One quota for each kind of row that callers add. */
export const createQuotas = (deps: { readonly clock: Clock }, daily: DailyQuota) => ({
  /** Page views, other activity and viewed items together. */
  activity: createQuota(deps, daily, 'page views, activities and viewed items'),
  notifications: createQuota(deps, daily, 'notifications'),
  limitEvents: createQuota(deps, daily, 'events of limits'),
  /** Published items, of a tenant. */
  items: createQuota(deps, daily, 'items'),
  /** Created or changed users, of a tenant. */
  users: createQuota(deps, daily, 'users'),
});

export type Quotas = ReturnType<typeof createQuotas>;
