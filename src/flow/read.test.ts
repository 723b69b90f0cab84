import { expect, it, vi } from 'vitest';
import type { LimitFilter } from '../domain/limit.ts';
import type { UserKey } from '../domain/user.ts';
import type { Store } from '../ports/store.ts';
import { createTestClock } from '../testing/event.ts';
import { createRead } from './read.ts';

const user = (userId: string): UserKey => ({ tenantId: 'default', userId });

it('reads limits with the same filter together, and others beside them rather than after them', async () => {
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
  // None has an answer yet.
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
