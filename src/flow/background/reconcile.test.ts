import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { UserKey } from '../../domain/user.ts';
import { silent } from '../../ports/logger.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { createReconcile } from './reconcile.ts';

let storage: TestStorage;
beforeEach(async () => {
  storage = await openTestStorage();
});
afterEach(() => storage.close());

let users = 0;
let offsets = 0;

async function start() {
  const { store } = storage;
  const pubSub = observed(createLocalPubSub());
  const deps = { store, pubSub, clock: createTestClock(), logger: silent };
  const project = createProject(deps, { retentionDays: 183 });
  const user: UserKey = { tenantId: 'default', userId: `user-${++users}` };
  await store.transaction((transaction) => transaction.ensureUsers([user], testNow));
  return {
    user,
    pubSub,
    act: createAct(deps),
    reconcile: createReconcile(deps),
    send(count: number) {
      offsets += count;
      const events = Array.from({ length: count }, () => notificationSent(user));
      return project.apply(recordsOf(events, offsets));
    },
    /** Changes the counters to wrong values, like a manual change of the database. */
    damage: () =>
      storage.query('UPDATE inbox SET unseen = unseen + 3, unread = unread - 1 WHERE user_id = $1', [
        user.userId,
      ]),
    inbox: async () => (await store.inboxes([user]))[0],
  };
}

describe('the reconciliation of badges', () => {
  it('reports a wrong badge in a dry run, and changes nothing', async () => {
    const { user, reconcile, send, damage, inbox, pubSub } = await start();
    await send(2);
    await damage();
    const before = await inbox();
    const published = pubSub.published.length;
    expect(await reconcile.badge(user, { dryRun: true })).toMatchObject({
      before: { unseen: 5, unread: 1 },
      after: { unseen: 2, unread: 2 },
      drift: 4,
    });
    expect(await inbox()).toEqual(before);
    expect(pubSub.published).toHaveLength(published);
    expect(reconcile.repaired()).toBe(0);
  });

  it('repairs a wrong badge with a newer version, and publishes the badge', async () => {
    const { user, reconcile, send, damage, inbox, pubSub } = await start();
    await send(2);
    await damage();
    const before = await inbox();
    expect(await reconcile.badge(user, { dryRun: false })).toMatchObject({
      before: { unseen: 5, version: before?.version },
      after: { unseen: 2, unread: 2, version: (before?.version ?? 0) + 1 },
      drift: 4,
    });
    expect(await inbox()).toMatchObject({ unseen: 2, unread: 2, version: (before?.version ?? 0) + 1 });
    expect(pubSub.published.at(-1)?.value).toContain('RECONCILED');
    expect(reconcile.repaired()).toBe(1);
  });

  it('does not change a correct badge, even if the inbox was never written', async () => {
    const { user, reconcile, send, inbox, pubSub } = await start();
    for (const wait of [() => send(0), () => send(3)]) {
      await wait();
      const before = await inbox();
      const published = pubSub.published.length;
      for (const dryRun of [true, false]) {
        const found = await reconcile.badge(user, { dryRun });
        expect(found).toMatchObject({
          drift: 0,
          before: { unseen: before?.unseen },
          after: { unseen: before?.unseen },
        });
      }
      expect(await inbox()).toMatchObject({ unseen: before?.unseen, version: before?.version });
      expect(pubSub.published).toHaveLength(published);
    }
  });

  it('returns a problem if the user does not exist', async () => {
    const { reconcile } = await start();
    const nobody = { tenantId: 'default', userId: 'nobody' };
    expect(await reconcile.badge(nobody, { dryRun: false })).toMatchObject({
      problem: { code: 'USER_NOT_FOUND' },
    });
  });

  it('repairs only the wrong badges of a sample', async () => {
    const one = await start();
    const other = await start();
    await one.send(1);
    await other.send(1);
    await one.damage();
    // The table fits into one page, so the sample is the whole table.
    expect(await one.reconcile.countDrift(100)).toBe(1);
    await one.reconcile.sample(100);
    expect(one.reconcile.repaired()).toBe(1);
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 1 });
    expect(await other.inbox()).toMatchObject({ unseen: 1, unread: 1, version: 1 });
    expect(await one.reconcile.countDrift(100)).toBe(0);
  });

  it('finds no difference while notifications arrive and inboxes are opened', async () => {
    const { user, act, reconcile, send, inbox } = await start();
    let isBusy = true;
    const writing = (async () => {
      for (let n = 0; n < 40; n += 1) {
        await Promise.all([send(3), act.openInbox(user, undefined)]);
        await act.markNotifications(user, { action: 'READ', which: { filter: {} } });
      }
      isBusy = false;
    })();
    while (isBusy) await Promise.all([reconcile.sample(100), reconcile.badge(user, { dryRun: false })]);
    await writing;
    expect(reconcile.repaired()).toBe(0);
    expect(await inbox()).toMatchObject({ lastSeq: 120n, unread: 0 });
  });
});
