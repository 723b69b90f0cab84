import { createLane, type Lane, runIn } from '../../async/lane.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Store } from '../../ports/store/store.ts';
import { timeouts } from './connection.ts';

/**
 * The maximum number of connections of the pool that callers use at the same time, by purpose. The worker and
 * the log use the other connections.
 */
interface Lanes {
  /** For reads of a few rows by their keys. */
  readonly short: Lane;
  /** For reads whose cost grows with the data of a user or a tenant. */
  readonly long: Lane;
  readonly writes: Lane;
}

/** The store that the API uses for its callers. */
export interface CallersStore {
  readonly store: Store;
  /** The number of statements and transactions of callers that wait for a connection. */
  waiting(): number;
  /**
   * The number of statements and transactions of callers that were refused, because too many were waiting or
   * because they waited too long.
   */
  refused(): number;
}

function createLanes(poolSize: number): Lanes {
  const shareOf = (share: number) => Math.max(1, Math.floor(poolSize * share));
  const waits = { maxWaitMs: timeouts.statement_timeout, maxWaitingPerUser: 500 };
  // The limits per user and per tenant leave a connection for the other users of the tenant and for the other
  // tenants.
  const fair = (what: string, total: number) =>
    createLane({
      ...waits,
      what,
      total,
      perTenant: Math.ceil((total * 2) / 3),
      perUser: Math.max(1, Math.floor(total / 3)),
    });
  const total = shareOf(0.2);
  return {
    short: createLane({ ...waits, what: 'reads', total, perTenant: total, perUser: total }),
    long: fair('large reads', shareOf(0.3)),
    writes: fair('writes', shareOf(0.3)),
  };
}

const own = (key: UserKey) => key;
const ofTenant = (tenantId: string): UserKey => ({ tenantId, userId: '' });
/** A read for several users counts only against the limit of the first user, because such reads are rare. */
const ofFirst = ([first]: readonly UserKey[]) => first ?? ofTenant('');
const ofTenants = ({ tenantIds }: { readonly tenantIds?: readonly string[] }) =>
  ofTenant(tenantIds?.[0] ?? '');

function through<First, Rest extends readonly unknown[], Result>(
  lane: Lane,
  keyOf: (first: NoInfer<First>) => UserKey,
  work: (first: First, ...rest: Rest) => Promise<Result>,
): (first: First, ...rest: Rest) => Promise<Result> {
  return (first, ...rest) => runIn(lane, keyOf(first), () => work(first, ...rest));
}

/**
 * Shares the connections of a pool between callers, and leaves a fifth of the connections to the worker and
 * the log. Callers cannot deadlock: a caller that waits for a connection holds no other connection, and a
 * transaction uses only its own connection.
 */
export function createCallersStore(store: Store, { poolSize }: { readonly poolSize: number }): CallersStore {
  const lanes = createLanes(poolSize);
  const { short, long, writes } = lanes;
  const all = Object.values(lanes);
  const sum = (of: (lane: Lane) => number) => all.reduce((total, lane) => total + of(lane), 0);
  return {
    waiting: () => sum((lane) => lane.waiting()),
    refused: () => sum((lane) => lane.refused()),
    store: {
      ...store,
      transaction: (work, owner = ofTenant('')) => runIn(writes, owner, () => store.transaction(work)),
      bindKeys: through(short, ofFirstKey, store.bindKeys),
      boundDigest: through(
        short,
        ({ tenantId, caller }) => ({ tenantId, userId: caller }),
        store.boundDigest,
      ),

      users: through(short, ofFirst, store.users),
      recipients: through(short, ofFirst, store.recipients),
      categoryChoices: through(short, ofFirst, store.categoryChoices),
      inboxes: through(short, ofFirst, store.inboxes),
      itemBadges: through(short, ofFirst, store.itemBadges),
      collections: through(short, ofTenant, store.collections),
      notification: through(short, ofTenant, store.notification),
      pageView: through(short, own, store.pageView),
      item: through(short, ({ tenantId }) => ofTenant(tenantId), store.item),
      limitOwners: through(short, ofTenant, store.limitOwners),

      stats: through(long, own, store.stats),
      pageViews: through(long, own, store.pageViews),
      countPageViews: through(long, own, store.countPageViews),
      notifications: through(long, own, store.notifications),
      countNotifications: through(long, own, store.countNotifications),
      countByCategory: through(long, own, store.countByCategory),
      scheduled: through(long, own, store.scheduled),
      countScheduled: through(long, own, store.countScheduled),
      recount: through(long, ofFirst, store.recount),
      arrivals: through(long, ofFirst, store.arrivals),
      changes: through(long, ofFirst, store.changes),
      limits: through(long, ofFirst, store.limits),
      limitHistories: through(long, ofFirst, store.limitHistories),
      items: (key, page) =>
        runIn(long, { ...key, userId: page.viewerId ?? '' }, () => store.items(key, page)),
      countItems: through(long, ({ tenantId }) => ofTenant(tenantId), store.countItems),
      usersOf: through(long, ofTenant, store.usersOf),
      countUsers: through(long, ofTenant, store.countUsers),
      activityBuckets: through(long, ([first]) => ofTenant(first?.tenantId ?? ''), store.activityBuckets),
      activityBucketsBetween: through(long, ofTenant, store.activityBucketsBetween),
      distinctUsers: through(long, ofTenant, store.distinctUsers),
      activityTypes: through(long, ofTenant, store.activityTypes),
      deadLetters: through(long, ofTenants, store.deadLetters),
      countDeadLetters: through(long, ofTenants, store.countDeadLetters),
      deadLetter: (id, filter) => runIn(long, ofTenants(filter), () => store.deadLetter(id, filter)),
    },
  };
}

type Keys = Parameters<Store['bindKeys']>[0];

const ofFirstKey = ([first]: Keys): UserKey => ({
  tenantId: first?.tenantId ?? '',
  userId: first?.caller ?? '',
});
