import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { topics } from '../events/topic.ts';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { notificationSent, pageViewed } from '../testing/event.ts';

let app: TestApp;
let admin: string;
let otherAdmin: string;
beforeAll(async () => {
  app = await startTestApp();
  admin = await app.token({ role: 'admin', subject: 'root' });
  otherAdmin = await app.token({ role: 'admin', subject: 'root', tenantId: 'other' });
});
afterAll(() => app.stop());

interface Letter {
  readonly id: string;
  readonly topic: string;
  readonly payload: string;
  readonly payloadBytes: number;
  readonly offset: string;
}
interface Page {
  readonly totalCount: number;
  readonly nodes: readonly Letter[];
  readonly edges: readonly { readonly cursor: string; readonly node: Letter }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

const query = `query ($first: Int, $after: String, $filter: DeadLetterFilter) {
  deadLetters(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id } }
    nodes { __typename id topic partition offset errorCode errorMessage attempts payload payloadBytes failedAt }
  }
}`;
async function list(variables: object = {}, token = admin): Promise<Page> {
  const { data, errors } = await app.send(token, query, { ...variables });
  expect(errors).toBeUndefined();
  return (data as unknown as { deadLetters: Page }).deadLetters;
}

async function retry(ids: readonly string[], token = admin) {
  const mutation =
    'mutation ($ids: [ID!]!) { retryDeadLetters(ids: $ids) { retriedCount userErrors { code message path } } }';
  const { data } = await app.send(token, mutation, { ids });
  return (data as unknown as { retryDeadLetters: unknown }).retryDeadLetters;
}

const poison = (...values: readonly (string | Uint8Array)[]) =>
  app.runtime.backends.log.send(
    values.map((value) => ({ topic: topics.userActivity, key: null, value: Buffer.from(value) })),
  );

const waiting = { timeout: 10_000, interval: 50 };

/** Waits until `count` dead letters are listed. */
const listed = (count: number, token = admin) =>
  vi.waitFor(async () => {
    const page = await list({ first: 100 }, token);
    expect([page.nodes.length, page.totalCount]).toEqual([count, count]);
    return page;
  }, waiting);

describe('dead letters', () => {
  it('are listed in pages, newest first, with their bytes', async () => {
    await poison('{ not json', Uint8Array.from([0xff, 0xfe]), 'base64:abc', '');
    const page = await listed(4);
    expect(page.nodes.map(({ payload }) => payload).sort()).toEqual([
      '',
      'base64://4=',
      `base64:${Buffer.from('base64:abc').toString('base64')}`,
      '{ not json',
    ]);
    expect(page.nodes.find(({ payload }) => payload === '{ not json')).toMatchObject({
      __typename: 'DeadLetter',
      topic: topics.userActivity,
      partition: 0,
      offset: expect.stringMatching(/^\d+$/),
      errorCode: 'MALFORMED_EVENT',
      errorMessage: 'not JSON',
      attempts: 1,
      failedAt: expect.stringMatching(/^2\d{3}-.*Z$/),
    });
    const walked: string[] = [];
    let after: string | null = null;
    do {
      const { edges, pageInfo }: Page = await list({ first: 3, after });
      walked.push(...edges.map(({ node }) => node.id));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);
    expect(walked).toEqual(page.nodes.map(({ id }) => id));
  });

  it('show the first 16 384 bytes of a long record, cut after a whole character, and the size of the record', async () => {
    const letter = (payload: Buffer, n: number) => ({
      tenantId: 'long',
      topic: 'a',
      partition: 0,
      offset: BigInt(n),
      key: null,
      headers: {},
      payload,
      errorCode: 'MALFORMED_EVENT' as const,
      errorMessage: 'not JSON',
      attempts: 1,
      failedAt: new Date(),
    });
    // The limit falls into the middle of a character of two bytes.
    const text = Buffer.from(`${'x'.repeat(16_383)}é${'y'.repeat(1_000_000)}`);
    const bytes = Buffer.alloc(16_385, 0xff);
    await app.runtime.backends.callers.store.transaction((transaction) =>
      transaction.addDeadLetters([text, bytes, Buffer.from('short')].map(letter)),
    );
    const long = await app.token({ role: 'admin', subject: 'root', tenantId: 'long' });
    const page = await list({}, long);
    const shown = (payload: string, payloadBytes: number) => ({ payload, payloadBytes });
    const expected = [
      shown('x'.repeat(16_383), 1_016_385),
      shown(`base64:${bytes.subarray(1).toString('base64')}`, 16_385),
      shown('short', 5),
    ];
    const sorted = page.nodes.toSorted((a, b) => b.payloadBytes - a.payloadBytes);
    expect(sorted).toMatchObject(expected);
    for (const [n, { id }] of sorted.entries()) {
      const node = 'query ($id: ID!) { node(id: $id) { ... on DeadLetter { payload payloadBytes } } }';
      expect((await app.send(long, node, { id })).data).toEqual({ node: expected[n] });
    }
  });

  it('can be found by id, topic and error code', async () => {
    const [letter] = (await list()).nodes;
    const { data } = await app.send(
      admin,
      'query ($id: ID!) { node(id: $id) { id ... on DeadLetter { payload offset } } }',
      {
        id: letter?.id,
      },
    );
    expect(data).toEqual({ node: { id: letter?.id, payload: letter?.payload, offset: letter?.offset } });
    expect((await list({ filter: { topic: topics.userActivity } })).totalCount).toBe(4);
    expect((await list({ filter: { topic: topics.notificationCommand } })).totalCount).toBe(0);
    expect((await list({ filter: { errorCode: 'REJECTED_EVENT', topic: null } })).nodes).toEqual([]);
    expect((await list({ filter: null })).totalCount).toBe(4);
  });

  it.each([
    ['first 0', { first: 0 }],
    ['first 101', { first: 101 }],
    ['an invalid cursor', { after: 'x' }],
    ['a topic with U+0000', { filter: { topic: 'a\0' } }],
    ['a topic of 250 characters', { filter: { topic: 'a'.repeat(250) } }],
    ['an empty code', { filter: { errorCode: '' } }],
  ])('are refused for %s', async (_, variables) => {
    const { errors } = await app.send(admin, query, variables);
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  });

  it('are visible only to admins of their tenant, or of the tenant default if the tenant is unknown', async () => {
    await app.runtime.backends.log.append([notificationSent({ tenantId: 'other', userId: 'nobody' })]);
    const { nodes } = await vi.waitFor(async () => {
      const page = await list({}, otherAdmin);
      // A separate query counts the dead letters, so the count may include a dead letter that is missing in
      // the list.
      expect([page.nodes.length, page.totalCount]).toEqual([1, 1]);
      return page;
    }, waiting);
    expect(nodes).toMatchObject([{ errorCode: 'USER_NOT_FOUND' }]);
    expect((await list()).totalCount).toBe(4);
    const id = nodes[0]?.id as string;
    expect(await retry([id])).toMatchObject({ retriedCount: 0, userErrors: [{ code: 'NOT_FOUND' }] });
    const { data } = await app.send(admin, 'query ($id: ID!) { node(id: $id) { id } }', { id });
    expect(data).toEqual({ node: null });
  });
});

describe('retrying dead letters', () => {
  it('reports unknown ids, and lists a record that fails again under a new id', async () => {
    const before = await list();
    const ids = before.nodes.map(({ id }) => id);
    const [first = '', second = ''] = ids;
    const alice = Buffer.from('alice').toString('base64url');
    const unknown = ['', 'x', `usr_${alice}`, 'dlt_eA', `${first} `];
    expect(await retry([first, ...unknown, second, first])).toEqual({
      retriedCount: 2,
      userErrors: unknown.map((_, n) => ({
        code: 'NOT_FOUND',
        message: 'The tenant has no dead letter with this id.',
        path: ['ids', String(n + 1)],
      })),
    });
    const after = await listed(4);
    expect(after.nodes.map(({ payload }) => payload).sort()).toEqual(
      before.nodes.map(({ payload }) => payload).sort(),
    );
    for (const id of [first, second]) expect(after.nodes.map((letter) => letter.id)).not.toContain(id);
    expect(await retry([first])).toMatchObject({ retriedCount: 0, userErrors: [{ code: 'NOT_FOUND' }] });
  });

  it('applies a retried event once, after the cause of the failure is fixed', async () => {
    const event = notificationSent({ userId: 'late' });
    await app.runtime.backends.log.append([event, pageViewed()]);
    const kept = await vi.waitFor(async () => {
      const { nodes } = await list({ filter: { errorCode: 'USER_NOT_FOUND' } });
      expect(nodes).toHaveLength(1);
      return nodes;
    }, waiting);
    const late = await app.token({ subject: 'late' });
    await app.send(late, 'mutation { recordPageView(input: { name: "Home" }) { eventId } }');
    const stats = '{ viewer { badge { unseen } stats { pageViewCount } } }';
    const seen = (unseen: number) =>
      vi.waitFor(async () =>
        expect((await app.send(late, stats)).data).toEqual({
          viewer: { badge: { unseen }, stats: { pageViewCount: 1 } },
        }),
      );
    await seen(0);
    expect(await retry(kept.map(({ id }) => id))).toEqual({ retriedCount: 1, userErrors: [] });
    await seen(1);
    expect((await list({ filter: { errorCode: 'USER_NOT_FOUND' } })).totalCount).toBe(0);
  });

  it.each([
    ['no ids', 0, 'INVALID_INPUT'],
    ['501 ids', 501, 'TOO_MANY_ITEMS'],
  ] as const)('is refused for %s', async (_, count, code) => {
    expect(await retry(Array.from({ length: count }, () => 'dlt_eA'))).toEqual({
      retriedCount: 0,
      userErrors: [{ code, message: 'ids must have 1 to 500 entries.', path: ['ids'] }],
    });
  });
});
