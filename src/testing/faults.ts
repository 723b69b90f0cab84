import { AppError } from '../domain/error.ts';
import type { Message, PubSub } from '../ports/pub-sub.ts';
import type { Store, StoreTransaction } from '../ports/store/store.ts';

/**
 * Returns a store whose transactions have the functions that `change` returns instead of their own functions.
 */
export function withTransactions(
  store: Store,
  change: (transaction: StoreTransaction) => Partial<StoreTransaction>,
): Store {
  const changed: (begin: Store['transaction']) => Store['transaction'] = (begin) => (work) =>
    begin((transaction) => work({ ...transaction, ...change(transaction) }));
  return {
    ...store,
    transaction: changed(store.transaction),
    projection: (work, options) => changed((inner) => store.projection(inner, options))(work),
  };
}

/**
 * Returns a store that rejects the next `failures` transactions. Every second rejected transaction is
 * committed before, as if only the answer of the database were lost.
 */
export function awayFor(store: Store, failures: number): Store & { readonly failuresLeft: () => number } {
  let left = failures;
  const failing: (begin: Store['transaction']) => Store['transaction'] = (begin) => async (work) => {
    if (left <= 0) return begin(work);
    left -= 1;
    if (left % 2 === 0) await begin(work);
    throw new AppError('UNAVAILABLE', 'The test simulates an unavailable database.');
  };
  return {
    ...store,
    failuresLeft: () => left,
    transaction: failing(store.transaction),
    projection: (work, options) => failing((inner) => store.projection(inner, options))(work),
  };
}

/** Returns a pub/sub that records the published messages and can lose them. */
export function observed(pubSub: PubSub): PubSub & {
  readonly published: Message[];
  /** Returns the number of subscriptions that have not ended. */
  subscriptions(): number;
  /** While true, published messages reach no listener. */
  lose: boolean;
  /** New subscriptions are confirmed when this promise resolves. */
  away: Promise<void> | undefined;
  /** Notifies the gap listeners that messages may have been missed. */
  gap(): void;
} {
  const gapListeners = new Set<() => void>();
  let subscriptions = 0;
  return {
    ...pubSub,
    published: [],
    subscriptions: () => subscriptions,
    lose: false,
    away: undefined,
    gap() {
      for (const listener of gapListeners) listener();
    },
    async publish(messages) {
      this.published.push(...messages);
      if (!this.lose) await pubSub.publish(messages);
    },
    subscribe(topics, listener) {
      const { confirmed, end } = pubSub.subscribe(topics, listener);
      subscriptions += 1;
      let ended = false;
      return {
        confirmed: this.away ? this.away.then(() => confirmed) : confirmed,
        end() {
          if (!ended) subscriptions -= 1;
          ended = true;
          end();
        },
      };
    },
    onGap(listener) {
      gapListeners.add(listener);
      return () => void gapListeners.delete(listener);
    },
  };
}
