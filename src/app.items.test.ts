// @module-tag end-to-end
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { topics } from './events/topic.ts';
import { startTestApp, type TestApp } from './testing/app.ts';

const watchBadge = `subscription ($keys: [String!]) {
  badgeChanged(keys: $keys) { kind cause badge { key unseen unread version display } } }`;
const publish = `mutation ($input: PublishItemsInput!) {
  publishItems(input: $input) { items { id itemId title publishedAt } userErrors { code message path } } }`;
const retract = `mutation ($input: RetractItemsInput!) {
  retractItems(input: $input) { items { itemId } userErrors { code path } } }`;
const view = `mutation ($input: RecordItemViewsInput!) {
  recordItemViews(input: $input) { eventId userErrors { code path } } }`;
const list = `query ($collection: String!, $first: Int, $after: String) {
  items(collection: $collection, first: $first, after: $after) {
    totalCount badge { unseen version } pageInfo { hasNextPage endCursor } nodes { id itemId title viewedAt } } }`;

interface Page {
  readonly items: {
    readonly nodes: readonly { readonly id: string; readonly itemId: string }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
  };
}

let app: TestApp;
let alice: string;
let bob: string;
let shop: string;
beforeAll(async () => {
  app = await startTestApp();
  alice = await app.token();
  bob = await app.token({ subject: 'bob' });
  shop = await app.token({ role: 'service', subject: 'shop' });
  for (const token of [alice, bob]) await app.send(token, '{ viewer { id } }');
});
afterAll(() => app.stop());

function follow(token: string, keys: readonly string[]): readonly unknown[] {
  const updates: unknown[] = [];
  app
    .client(token)
    .subscribe(
      { query: watchBadge, variables: { keys } },
      { next: ({ data }) => void updates.push(data?.['badgeChanged']), error() {}, complete() {} },
    );
  return updates;
}

describe('the badge of a collection', () => {
  it('changes for every user when a service publishes or retracts items, and only for the viewer when a user views items', async () => {
    const key = 'items:news';
    const [alices, bobs] = [follow(alice, [key]), follow(bob, [key])];
    const both = [alices, bobs];
    for (const updates of both) await vi.waitFor(() => expect(updates).toHaveLength(1));

    const items = [{ itemId: '1', title: 'One' }, { itemId: '2' }, { itemId: '3' }];
    const published = await app.send(shop, publish, { input: { collection: 'news', items } });
    expect(published).toMatchObject({ status: 200, data: { publishItems: { userErrors: [] } } });
    for (const updates of both) await vi.waitFor(() => expect(updates).toHaveLength(2));

    const seen = await app.send(alice, view, { input: { collection: 'news', itemIds: ['1', '2'] } });
    expect(seen).toMatchObject({ data: { recordItemViews: { userErrors: [] } } });
    await vi.waitFor(() => expect(alices).toHaveLength(3));

    await app.send(shop, retract, { input: { collection: 'news', itemIds: ['2'] } });
    await vi.waitFor(() => expect(bobs).toHaveLength(3));
    await vi.waitFor(() => expect(alices).toHaveLength(4));

    const update = (kind: string, cause: string | null, unseen: number, version: number) => ({
      kind,
      cause,
      badge: { key, unseen, unread: unseen, version, display: String(unseen) },
    });
    const start = [update('SNAPSHOT', null, 0, 0), update('CHANGE', 'PUBLISHED', 3, 1)];
    expect(alices).toEqual([...start, update('CHANGE', 'VIEWED', 1, 2), update('CHANGE', 'RETRACTED', 1, 3)]);
    expect(bobs).toEqual([...start, update('CHANGE', 'RETRACTED', 2, 2)]);
  });

  it('changes when another system records a view of an item', async () => {
    await app.send(shop, publish, { input: { collection: 'offers', items: [{ itemId: 'a' }] } });
    const updates = follow(alice, ['items:offers']);
    await vi.waitFor(() => expect(updates).toHaveLength(1));
    const foreign = { user_id: 'alice', timestamp: new Date(), collection: 'offers', item_id: 'a' };
    await app.runtime.backends.log.send([
      {
        topic: topics.userActivity,
        key: 'default/alice',
        value: Buffer.from(JSON.stringify(foreign)),
        headers: {},
      },
    ]);
    await vi.waitFor(() =>
      expect(updates.at(-1)).toMatchObject({ cause: 'VIEWED', badge: { unseen: 0, version: 2 } }),
    );
  });

  it('is in the list of badges of a user, with and without the argument keys', async () => {
    await app.send(shop, publish, { input: { collection: 'all', items: [{ itemId: 'a' }] } });
    const { data } = await app.send(
      bob,
      `{ viewer { badges { key } named: badges(keys: ["items:none", "items:all", "items:none"]) { id key unseen version }
         badge(key: "items:all") { unseen } } }`,
    );
    const { viewer } = data as unknown as {
      viewer: Readonly<Record<string, readonly { readonly id: string; readonly key: string }[]>>;
    };
    expect(viewer['badges']?.[0]).toEqual({ key: 'notifications' });
    expect(viewer['badges']).toContainEqual({ key: 'items:all' });
    expect(viewer['named']).toMatchObject([
      { key: 'items:none', unseen: 0, version: 0 },
      { key: 'items:all', unseen: 1, version: 1 },
    ]);
    expect(viewer['badge']).toEqual({ unseen: 1 });
    const node = 'query ($id: ID!) { node(id: $id) { ... on Badge { key unseen } } }';
    const one = await app.send(bob, node, { id: viewer['named']?.[1]?.id });
    expect(one.data).toEqual({ node: { key: 'items:all', unseen: 1 } });
  });
});

describe('the items of a collection', () => {
  it('are listed newest first in pages, with the time at which the caller viewed each item, and are nodes', async () => {
    const items = Array.from({ length: 5 }, (_, n) => ({
      itemId: `i${n}`,
      title: `Item ${n}`,
      // Every two items have the same time of publication.
      publishedAt: new Date(Date.now() - (n - (n % 2)) * 60_000),
    }));
    await app.send(shop, publish, { input: { collection: 'pages', items } });
    await app.send(alice, view, { input: { collection: 'pages', itemIds: ['i1'] } });
    await vi.waitFor(async () => {
      const { data } = await app.send(alice, list, { collection: 'pages' });
      expect(data).toMatchObject({ items: { totalCount: 5, badge: { unseen: 4, version: 2 } } });
    });
    const found: Page['items']['nodes'][number][] = [];
    let after: string | undefined;
    for (let more = true; more; ) {
      const { data } = await app.send(alice, list, { collection: 'pages', first: 2, after });
      const { nodes, pageInfo } = (data as unknown as Page).items;
      found.push(...nodes);
      after = pageInfo.endCursor;
      more = pageInfo.hasNextPage;
    }
    expect(found).toMatchObject([
      { itemId: 'i1', title: 'Item 1', viewedAt: expect.any(String) },
      { itemId: 'i0', viewedAt: null },
      { itemId: 'i3' },
      { itemId: 'i2' },
      { itemId: 'i4' },
    ]);
    const node = 'query ($id: ID!) { node(id: $id) { ... on Item { collection itemId viewedAt } } }';
    const viewed = { collection: 'pages', itemId: 'i1' };
    const id = found[0]?.id;
    expect((await app.send(alice, node, { id })).data).toEqual({
      node: { ...viewed, viewedAt: expect.any(String) },
    });
    expect((await app.send(bob, node, { id })).data).toEqual({ node: { ...viewed, viewedAt: null } });
    expect((await app.send(shop, node, { id })).data).toEqual({ node: { ...viewed, viewedAt: null } });
    await app.send(shop, retract, { input: { collection: 'pages', itemIds: ['i1'] } });
    expect((await app.send(alice, node, { id })).data).toEqual({ node: null });
  });

  it('are an empty list for a collection without items, and have a badge for users but not for services', async () => {
    const unknown = { totalCount: 0, nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };
    expect((await app.send(alice, list, { collection: 'unknown' })).data).toEqual({
      items: { ...unknown, badge: { unseen: 0, version: 0 } },
    });
    expect((await app.send(shop, list, { collection: 'unknown' })).data).toEqual({
      items: { ...unknown, badge: null },
    });
  });
});
