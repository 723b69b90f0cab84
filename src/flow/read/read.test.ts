import { expect, it, vi } from 'vitest';
import type { LimitFilter } from '../../domain/limit.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock } from '../../testing/event.ts';
import { createRead } from './read.ts';

const user = (userId: string): UserKey => ({ tenantId: 'default', userId });

it('reads limits with the same filter in one query, and the queries of other filters at the same time', async () => {
  const asked: { readonly users: readonly string[]; readonly filter: LimitFilter | undefined }[] = [];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const limits: Store['limits'] = async (users, filter) => {
    asked.push({ users: users.map(({ userId }) => userId), filter });
    await answered;
    return [];
  };
  const read = createRead({ store: { limits } as Store, clock: createTestClock() });

  const all = Promise.all([
    read.limits(user('alice')),
    read.limits(user('bob')),
    read.limits(user('alice'), { userLimitId: 'a' }),
    read.limits(user('bob'), { userLimitId: 'b' }),
  ]);
  // All queries start before the first query has an answer.
  await vi.waitFor(() =>
    expect(asked).toEqual([
      { users: ['alice', 'bob'], filter: {} },
      { users: ['alice'], filter: { userLimitId: 'a' } },
      { users: ['bob'], filter: { userLimitId: 'b' } },
    ]),
  );
  answer();
  expect(await all).toEqual([[], [], [], []]);
});

it('reads the histories of limits in one query', async () => {
  const asked: number[] = [];
  const limitHistories: Store['limitHistories'] = async (pages) => {
    asked.push(pages.length);
    return pages.map(() => []);
  };
  const read = createRead({ store: { limitHistories } as Partial<Store> as Store, clock: createTestClock() });
  const page = (n: number) => ({ ...user('alice'), userLimitId: `limit-${n}`, first: 9 });
  await Promise.all(Array.from({ length: 250 }, (_, n) => read.limitHistory(page(n))));
  expect(asked).toEqual([100, 100, 50]);
});
