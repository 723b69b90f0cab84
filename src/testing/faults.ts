import { AppError } from '../domain/error.ts';
import type { Message, PubSub } from '../ports/pub-sub.ts';
import type { Store, StoreTransaction } from '../ports/store/store.ts';

/** A store whose transactions have some functions replaced. */
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

/** A store that is away for the next `failures` transactions; half of those are done all the same and then unanswered. */
export function awayFor(store: Store, failures: number): Store & { readonly failuresLeft: () => number } {
  let left = failures;
  const failing: (begin: Store['transaction']) => Store['transaction'] = (begin) => async (work) => {
    if (left <= 0) return begin(work);
    left -= 1;
    if (left % 2 === 0) await begin(work);
    throw new AppError('UNAVAILABLE', 'The database is away, says the test.');
  };
  return {
    ...store,
    failuresLeft: () => left,
    transaction: failing(store.transaction),
    projection: (work, options) => failing((inner) => store.projection(inner, options))(work),
  };
}

/** A pub/sub that notes what passes and can lose it. */
export function observed(pubSub: PubSub): PubSub & {
  readonly published: Message[];
  /** Subscriptions that were not ended yet. */
  subscriptions(): number;
  /** While true, what is published reaches nobody. */
  lose: boolean;
  /** Subscriptions begun meanwhile are confirmed when it resolves. */
  away: Promise<void> | undefined;
  /** Tells listeners that something may have been missed. */
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
