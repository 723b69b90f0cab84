import { AppError, isRetriable } from '../domain/error.ts';

/** Groups the work of concurrent callers into one commit. */
export interface GroupCommit<Item> {
  /** Resolves when the items are committed. Rejects with the error of their commit. */
  add(items: readonly Item[]): Promise<void>;
  /** Resolves when no call waits and no commit runs. */
  idle(): Promise<void>;
}

interface Entry<Item> {
  readonly items: readonly Item[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Creates a group commit. If no commit is running, a commit begins on the next turn of the event loop,
 * without a timer. The calls during a commit are collected for the next commit. So a single caller does not
 * wait, and under load each commit contains the calls that arrived during the previous commit.
 * `commit` must store either all items or none. If `commit` fails because of an item, both halves of the
 * calls are tried separately. The halves are divided again until the call with the bad item fails alone.
 */
export function createGroupCommit<Item>(
  commit: (items: readonly Item[]) => Promise<void>,
  { maxItems = 500, maxWaiting = 20_000 }: { readonly maxItems?: number; readonly maxWaiting?: number } = {},
): GroupCommit<Item> {
  let waiting: Entry<Item>[] = [];
  let waitingItems = 0;
  let running: Promise<void> | undefined;

  function takeBatch(): readonly Entry<Item>[] {
    let items = 0;
    let entries = 0;
    // Takes at least one entry. So a call with more items than a batch allows is a batch of its own.
    for (const entry of waiting) {
      if (entries > 0 && items + entry.items.length > maxItems) break;
      items += entry.items.length;
      entries += 1;
    }
    const batch = waiting.slice(0, entries);
    waiting = waiting.slice(entries);
    waitingItems -= items;
    return batch;
  }

  async function commitEntries(entries: readonly Entry<Item>[]): Promise<void> {
    try {
      await commit(entries.length === 1 ? (entries[0]?.items ?? []) : entries.flatMap(({ items }) => items));
      for (const entry of entries) entry.resolve();
    } catch (error) {
      if (entries.length === 1 || isRetriable(error)) {
        for (const entry of entries) entry.reject(error);
        return;
      }
      const half = Math.ceil(entries.length / 2);
      await commitEntries(entries.slice(0, half));
      await commitEntries(entries.slice(half));
    }
  }

  async function run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) await commitEntries(takeBatch());
    running = undefined;
  }

  return {
    add(items) {
      if (items.length === 0) return Promise.resolve();
      if (waitingItems + items.length > maxWaiting) {
        return Promise.reject(
          new AppError('UNAVAILABLE', 'Too many events are waiting to be stored; try again.'),
        );
      }
      return new Promise((resolve, reject) => {
        waiting.push({ items, resolve, reject });
        waitingItems += items.length;
        running ??= run();
      });
    },
    async idle() {
      while (running) await running;
    },
  };
}
