import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';

let app: TestApp;
let alice: string;
let service: string;
let admin: string;
beforeAll(async () => {
  app = await startTestApp();
  alice = await app.token({ subject: 'alice' });
  service = await app.token({ role: 'service', subject: 'shop' });
  admin = await app.token({ role: 'admin', subject: 'root' });
  await app.send(alice, '{ viewer { id } }');
});
afterAll(() => app.stop());

/** Returns the data of an operation, which must have no errors. */
async function ask(token: string, query: string, variables: Record<string, unknown> = {}) {
  const { data, errors } = await app.send(token, query, variables);
  expect(errors).toBeUndefined();
  return data as unknown;
}

const explained = `query ($key: String!, $first: Int, $after: String) { viewer { badge(key: $key) { unseen
  explain(first: $first, after: $after) { pageInfo { hasNextPage endCursor } edges { cursor node { since reason
    subject { __typename ... on Notification { title } ... on Item { itemId } } } } } } } }`;
interface Explained {
  readonly viewer: {
    readonly badge: {
      readonly unseen: number;
      readonly explain: {
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
        readonly edges: readonly { readonly cursor: string; readonly node: { readonly subject: object } }[];
      };
    };
  };
}

async function explain(key: string, page: { first?: number; after?: string } = {}) {
  const { viewer } = (await ask(alice, explained, { key, ...page })) as Explained;
  return { ...viewer.badge.explain, unseen: viewer.badge.unseen };
}

const subjects = ({ edges }: Awaited<ReturnType<typeof explain>>) => edges.map(({ node }) => node.subject);

const send = (title: string, groupKey?: string) =>
  ask(
    service,
    'mutation ($input: SendNotificationInput!) { sendNotification(input: $input) { userErrors { message } } }',
    { input: { userId: 'alice', content: { title, groupKey } } },
  );

describe('explain', () => {
  it('lists the notifications that a badge counts, newest first, in pages', async () => {
    expect(await explain('notifications')).toMatchObject({ unseen: 0, edges: [] });
    for (const title of ['one', 'two', 'three']) await send(title);
    await send('four', 'g');
    await send('five', 'g');
    await vi.waitFor(async () => expect(subjects(await explain('notifications'))).toHaveLength(4));
    await vi.waitFor(async () =>
      expect(subjects(await explain('notifications'))[0]).toEqual({
        __typename: 'Notification',
        title: 'five',
      }),
    );
    const first = await explain('notifications', { first: 3 });
    expect(first).toMatchObject({ unseen: 4, pageInfo: { hasNextPage: true } });
    expect(first.edges[0]?.node).toMatchObject({
      reason: expect.stringMatching(/^It is the newest of 2 notifications in its group\. It arrived after/),
    });
    const rest = await explain('notifications', { first: 3, after: first.pageInfo.endCursor });
    expect([...subjects(first), ...subjects(rest)]).toMatchObject(
      ['five', 'three', 'two', 'one'].map((title) => ({ title })),
    );
    expect(rest.pageInfo.hasNextPage).toBe(false);

    await ask(alice, 'mutation { openInbox(input: {}) { badge { unseen } } }');
    expect(await explain('notifications')).toMatchObject({ unseen: 0, edges: [] });
  });

  it('lists the items that a badge counts', async () => {
    const items = ['a', 'b', 'c'].map((itemId) => ({ itemId }));
    await ask(
      service,
      'mutation ($input: PublishItemsInput!) { publishItems(input: $input) { userErrors { message } } }',
      { input: { collection: 'news', items } },
    );
    const all = await explain('items:news');
    expect(all).toMatchObject({ unseen: 3 });
    expect(subjects(all)).toEqual(['c', 'b', 'a'].map((itemId) => ({ __typename: 'Item', itemId })));
    await ask(
      alice,
      'mutation { recordItemViews(input: { collection: "news", itemIds: ["b"] }) { userErrors { message } } }',
    );
    await vi.waitFor(async () => expect(await explain('items:news')).toMatchObject({ unseen: 2 }));
    const first = await explain('items:news', { first: 1 });
    const second = await explain('items:news', { first: 1, after: first.pageInfo.endCursor });
    expect([...subjects(first), ...subjects(second)]).toMatchObject([{ itemId: 'c' }, { itemId: 'a' }]);
  });

  it('refuses cursors of other badges and lists, invalid cursors, and page sizes outside 1 to 100', async () => {
    const { edges } = await explain('items:news');
    const { data } = await app.send(service, '{ items(collection: "news") { edges { cursor } } }', {});
    const ofList = (data as unknown as { items: { edges: { cursor: string }[] } }).items.edges[0]?.cursor;
    for (const [key, page] of [
      ['notifications', { after: edges[0]?.cursor }],
      ['items:other', { after: edges[0]?.cursor }],
      ['items:news', { after: ofList }],
      ['items:news', { after: 'x' }],
      ['items:news', { first: 0 }],
      ['notifications', { first: 101 }],
    ] as const) {
      const { errors } = await app.send(alice, explained, { key, ...page });
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
    }
  });
});

describe('reconcileBadge', () => {
  const reconcile = `mutation ($userId: ID!, $dryRun: Boolean! = true) { reconcileBadge(userId: $userId, dryRun: $dryRun) {
    before { unseen } after { unseen } drift userErrors { code path } } }`;

  it('reports no drift for a correct badge, and an error for an unknown user', async () => {
    expect(await ask(admin, reconcile, { userId: 'alice' })).toEqual({
      reconcileBadge: { before: { unseen: 0 }, after: { unseen: 0 }, drift: 0, userErrors: [] },
    });
    expect(await ask(admin, reconcile, { userId: 'nobody' })).toEqual({
      reconcileBadge: {
        before: null,
        after: null,
        drift: 0,
        userErrors: [{ code: 'USER_NOT_FOUND', path: ['userId'] }],
      },
    });
  });
});
