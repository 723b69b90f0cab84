import type { Clock } from '../../ports/clock.ts';
import type { DeadLetterFilter } from '../../ports/store/dead-letters.ts';
import type { Store } from '../../ports/store/store.ts';

/**
 * Sends dead letters to their topics again and returns the ids of the dead letters that existed. At every
 * moment, a record is either a dead letter or waits in the outbox. A record that fails again becomes a new
 * dead letter. `tenantIds` restricts the tenants. Defaults to all tenants.
 */
export function retryDeadLetters(
  { store, clock }: { readonly store: Pick<Store, 'transaction'>; readonly clock: Clock },
  ids: readonly string[],
  filter: Pick<DeadLetterFilter, 'tenantIds'>,
): Promise<readonly string[]> {
  return store.transaction((transaction) => transaction.requeueDeadLetters(ids, filter, clock.now()));
}
