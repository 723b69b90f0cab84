import type { DeadLetterFilter, DeadLetterStore, StoredDeadLetter } from '../../ports/store/dead-letters.ts';
import { readSlice, type Slice } from './slice.ts';

export type { StoredDeadLetter };

type Page = Parameters<DeadLetterStore['deadLetters']>[0];

/** Reads dead letters. */
export function createDeadLetterReads({ store }: { readonly store: DeadLetterStore }) {
  return {
    /** Returns dead letters, newest first. */
    list: (page: Page): Promise<Slice<StoredDeadLetter>> =>
      readSlice(page.first, (first) => store.deadLetters({ ...page, first })),
    count: (filter: DeadLetterFilter): Promise<number> => store.countDeadLetters(filter),
    /** Returns a dead letter with its whole payload. */
    one: (id: string, filter: Pick<DeadLetterFilter, 'tenantIds'>): Promise<StoredDeadLetter | undefined> =>
      store.deadLetter(id, filter),
  };
}

export type DeadLetterReads = ReturnType<typeof createDeadLetterReads>;
