import type { Clock } from '../../ports/clock.ts';
import type { DeadLetterFilter } from '../../ports/store/dead-letters.ts';
import type { Store } from '../../ports/store/store.ts';

/**
 * Puts dead letters back on their topics and returns the ids of the dead letters that existed. At every
 * moment a record is either a dead letter or on its way to the topic. If the record fails again, it becomes a
 * new dead letter. `tenantIds` restricts the tenants. Defaults to all tenants.
 */
export function retryDeadLetters(
  { store, clock }: { readonly store: Pick<Store, 'transaction'>; readonly clock: Clock },
  ids: readonly string[],
  filter: Pick<DeadLetterFilter, 'tenantIds'>,
): Promise<readonly string[]> {
  return store.transaction((transaction) => transaction.requeueDeadLetters(ids, filter, clock.now()));
}
