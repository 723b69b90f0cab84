import { z } from 'zod';
import { createOneSlot } from '../../async/one-slot.ts';
import { runEach } from '../../async/run-each.ts';
import {
  bucketStart,
  type Granularity,
  granularities,
  granularityMs,
  type TypedBucket,
} from '../../domain/activity.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { ActivityStore } from '../../ports/store/activity.ts';
import { activityTopic } from '../deliver/publish.ts';
import { isDoneWithin } from './watch.ts';

const written = z.object({
  tenantId: z.string(),
  granularity: z.enum(granularities),
  start: z.coerce.date(),
  uniqueUsers: z.int(),
  pageViewCount: z.int(),
  version: z.int(),
  updatedAt: z.coerce.date(),
  byType: z.array(z.object({ activityType: z.string(), count: z.int() })),
});

function parseBucket(value: string): TypedBucket | undefined {
  try {
    return written.parse(JSON.parse(value));
  } catch {
    return undefined;
  }
}

interface Watcher {
  readonly tenantId: string;
  readonly granularity: Granularity;
  offer(bucket: TypedBucket): void;
}

/**
 * The maximum age of a bucket that is read again, in ms. A watcher remembers the version of a bucket for the
 * same time.
 */
const reachMs = { MINUTE: 3_600_000, HOUR: 86_400_000, DAY: 7 * 86_400_000 } as const satisfies Record<
  Granularity,
  number
>;

/**
 * The time for which a watcher waits for its subscription, in ms. After this time, the watcher begins without
 * the subscription.
 */
const subscribeWaitMs = 2_000;

interface WatchActivityDeps {
  readonly store: ActivityStore;
  readonly pubSub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Creates the watch of metrics. A watcher subscribes, reads the current bucket of a tenant and emits it.
 * After this, the watcher emits each bucket that changes. The recently changed buckets are read again every
 * `resyncMs`, and after a gap in pub/sub.
 */
export function createWatchActivity(deps: WatchActivityDeps, { resyncMs }: { readonly resyncMs: number }) {
  const watchers = new Set<Watcher>();
  let timer: NodeJS.Timeout | undefined;
  let resyncedAt: Date | undefined;
  const stopListening = deps.pubSub.onGap(() => void resync());

  async function resync(): Promise<void> {
    try {
      await rereadAll(deps, watchers, 3 * resyncMs);
      resyncedAt = deps.clock.now();
    } catch (err) {
      deps.logger.warn({ err }, 'could not read the watched metrics again');
    }
  }

  return {
    /**
     * Returns the current bucket, then each changed bucket with its whole state. Ends when `return` is
     * called. Rejects with UNAVAILABLE if the watch cannot begin.
     */
    buckets(tenantId: string, granularity: Granularity): Promise<AsyncIterableIterator<TypedBucket>> {
      return watchBuckets(deps, tenantId, granularity, (watcher) => {
        watchers.add(watcher);
        timer ??= setInterval(() => void resync(), resyncMs).unref();
        return () => watchers.delete(watcher);
      });
    },
    /** Returns the time of the last successful read. Undefined if no read has succeeded yet. */
    resyncedAt: () => resyncedAt,
    stop(): void {
      stopListening();
      clearInterval(timer);
    },
  };
}

export type WatchActivity = ReturnType<typeof createWatchActivity>;

/**
 * Reads the changed buckets. There is one read for each watched tenant and granularity. A failed read does
 * not prevent the other reads.
 */
async function rereadAll(
  deps: WatchActivityDeps,
  watchers: Iterable<Watcher>,
  changedWithinMs: number,
): Promise<void> {
  const byTopic = new Map<string, Watcher[]>();
  for (const watcher of watchers) {
    const topic = activityTopic(watcher.tenantId, watcher.granularity);
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), watcher]);
  }
  const readFor = (group: readonly Watcher[]) => async () => {
    const [first] = group;
    for (const bucket of first ? await recent(deps, first, changedWithinMs) : [])
      for (const watcher of group) watcher.offer(bucket);
  };
  await runEach([...byTopic.values()].map(readFor));
}

async function recent(
  { store, clock }: WatchActivityDeps,
  { tenantId, granularity }: Watcher,
  changedWithinMs: number,
): Promise<readonly TypedBucket[]> {
  const now = clock.now().getTime();
  const range = {
    from: new Date(now - reachMs[granularity]),
    to: new Date(now + granularityMs.DAY),
    changedSince: new Date(now - changedWithinMs),
  };
  const changed = await store.activityBucketsBetween(tenantId, granularity, range);
  return store.activityBuckets(changed.map(({ start }) => ({ tenantId, granularity, start })));
}

/**
 * `register` adds the watcher to the watchers that are read again. `register` returns a function that removes
 * the watcher.
 */
async function watchBuckets(
  { store, pubSub, clock }: WatchActivityDeps,
  tenantId: string,
  granularity: Granularity,
  register: (watcher: Watcher) => () => void,
): Promise<AsyncIterableIterator<TypedBucket>> {
  const versions = new Map<number, number>();
  const slot = createOneSlot<number, TypedBucket>({
    onEnd() {
      end();
      unregister();
    },
  });
  const watcher: Watcher = {
    tenantId,
    granularity,
    offer(bucket) {
      const start = bucket.start.getTime();
      if (bucket.version <= (versions.get(start) ?? -1)) return;
      versions.set(start, bucket.version);
      forget();
      slot.put(start, bucket);
    },
  };
  /**
   * Forgets the versions of old buckets. So a watcher that runs for weeks needs only a bounded amount of
   * memory.
   */
  function forget(): void {
    const oldest = clock.now().getTime() - reachMs[granularity];
    for (const start of versions.keys()) if (start < oldest) versions.delete(start);
  }
  const { confirmed, end } = pubSub.subscribe([activityTopic(tenantId, granularity)], ({ value }) => {
    const bucket = parseBucket(value);
    if (bucket) watcher.offer(bucket);
  });
  const unregister = register(watcher);
  try {
    // If the subscription takes longer, changes before it are missed. A later resync finds them.
    await isDoneWithin(confirmed, subscribeWaitMs);
    const start = bucketStart(clock.now(), granularity);
    const [now] = await store.activityBuckets([{ tenantId, granularity, start }]);
    const nothing = { uniqueUsers: 0, pageViewCount: 0, version: 0, updatedAt: start, byType: [] };
    watcher.offer(now ?? { tenantId, granularity, start, ...nothing });
  } catch (error) {
    await slot.return();
    throw error;
  }
  return slot;
}
