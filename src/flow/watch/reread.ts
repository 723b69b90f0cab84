import { setTimeout as delay } from 'node:timers/promises';
import { partsOf, runEach } from '../../async/run-each.ts';
import type { Badge, BadgeCause, BadgeKey } from '../../domain/badge.ts';
import { tookTooLong } from '../../domain/error.ts';
import type { UserKey } from '../../domain/user.ts';
import { badgeTopic } from '../deliver/publish.ts';
import type { Read } from '../read/read.ts';

/** A watcher of badges of one user. */
export interface Watcher {
  readonly user: UserKey;
  readonly keys: readonly string[];
  offer(badge: Badge, cause: BadgeCause): void;
}

/** A badge to read again. One read serves all watchers of the badge. */
interface Asked extends BadgeKey {
  readonly cause: BadgeCause;
  readonly watchers: readonly Watcher[];
}

/** The maximum number of badges that one query reads. */
const badgesPerQuery = 1_000;

/**
 * Creates a reader that reads watched badges again, in batches. After a change for many users, the reader
 * waits for `gatherMs` with jitter. All changes in that time share one read, and the processes do not all
 * read at the same moment. The reader pauses for `pauseMs` between the batches.
 */
export function createReread(
  { read, onFailure }: { readonly read: Read; readonly onFailure: (err: unknown) => void },
  { gatherMs = 50, pauseMs = 20 } = {},
) {
  let waiting = new Map<string, Asked>();
  let draining = false;

  async function readBatches(asked: readonly Asked[], between?: () => Promise<unknown>): Promise<void> {
    await runEach(
      partsOf(asked, badgesPerQuery).map((batch, n) => async () => {
        if (n > 0) await between?.();
        await readBatch(batch);
      }),
    );
  }

  /**
   * Reads a batch. A batch that takes too long is split, because reading item badges means counting items,
   * and all other watchers wait for their badges.
   */
  async function readBatch(batch: readonly Asked[]): Promise<void> {
    try {
      offer(batch, await read.badges(batch));
    } catch (error) {
      if (batch.length === 1 || !tookTooLong(error)) throw error;
      await runEach(partsOf(batch, Math.ceil(batch.length / 10)).map((part) => () => readBatch(part)));
    }
  }

  function offer(batch: readonly Asked[], badges: readonly Badge[]): void {
    const byTopic = new Map(batch.map((one) => [badgeTopic(one, one.key), one]));
    for (const badge of badges) {
      const { watchers = [], cause } = byTopic.get(badgeTopic(badge, badge.key)) ?? {};
      if (cause) for (const watcher of watchers) watcher.offer(badge, cause);
    }
  }

  async function drain(): Promise<void> {
    draining = true;
    try {
      while (waiting.size > 0) {
        await delay(gatherMs * (0.5 + Math.random()), undefined, { ref: false });
        // A change that is published from here on may be missing from this read. Such a change starts another
        // read.
        const asked = [...waiting.values()];
        waiting = new Map();
        await readBatches(asked, () => delay(pauseMs, undefined, { ref: false }));
      }
    } catch (err) {
      waiting = new Map();
      onFailure(err);
    } finally {
      draining = false;
    }
  }

  return {
    /** Reads a badge for this watcher soon. Called after a change for many users. */
    soon(watcher: Watcher, key: string, cause: BadgeCause): void {
      ask(waiting, watcher, key, cause);
      if (!draining) void drain();
    },
    /** Reads all badges of the watchers. Rejects if the badges cannot be read. */
    async all(watchers: Iterable<Watcher>): Promise<void> {
      const asked = new Map<string, Asked>();
      for (const watcher of watchers) for (const key of watcher.keys) ask(asked, watcher, key, 'RESYNCED');
      await readBatches([...asked.values()]);
    },
  };
}

function ask(asked: Map<string, Asked>, watcher: Watcher, key: string, cause: BadgeCause): void {
  const topic = badgeTopic(watcher.user, key);
  const watchers = asked.get(topic)?.watchers ?? [];
  asked.set(topic, {
    ...watcher.user,
    key,
    cause,
    watchers: watchers.includes(watcher) ? watchers : [...watchers, watcher],
  });
}
