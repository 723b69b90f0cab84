// @module-tag end-to-end
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isScaled } from './testing/app.ts';
import { type Probe, rowCounts, shown, startProbe } from './testing/bad-input.ts';

const send = `mutation ($content: NotificationContentInput!, $to: ID! = "alice") {
  sendNotification(input: { userId: $to, content: $content }) { userErrors { code message } } }`;
const sendMany = `mutation ($input: SendNotificationsInput!) {
  sendNotifications(input: $input) { accepted userErrors { code message path } } }`;
const record = `mutation ($input: RecordPageViewInput!) {
  recordPageView(input: $input) { userErrors { code message } } }`;
const recordMany = `mutation ($input: RecordPageViewsInput!) {
  recordPageViews(input: $input) { userErrors { code message } } }`;
const upsert = `mutation ($input: UpsertUsersInput!) {
  upsertUsers(input: $input) { userErrors { code message } } }`;
const publish = `mutation ($input: PublishItemsInput!) {
  publishItems(input: $input) { userErrors { code message } } }`;
const retract = `mutation ($input: RetractItemsInput!) {
  retractItems(input: $input) { userErrors { code message } } }`;
const view = `mutation ($input: RecordItemViewsInput!) {
  recordItemViews(input: $input) { userErrors { code message } } }`;
const open = `mutation ($input: OpenInboxInput!) {
  openInbox(input: $input) { userErrors { code message } } }`;
const prefer = `mutation ($input: UpdatePreferencesInput!) {
  updatePreferences(input: $input) { userErrors { code message path } } }`;
const importRange = `mutation ($input: ImportUserRangeInput!) {
  importUserRange(input: $input) { userErrors { code message path } } }`;
const createLimit = `mutation ($input: CreateUserLimitInput!) {
  createUserLimit(input: $input) { userErrors { code message path } } }`;
const useLimit = `mutation ($input: UpdateUserLimitProgressInput!) {
  updateUserLimitProgress(input: $input) { userErrors { code message path } } }`;
const resetLimit = `mutation ($input: ResetUserLimitInput!) {
  resetUserLimit(input: $input) { userErrors { code message path } } }`;
const ingest = `mutation ($events: [JSONObject!]!) {
  ingestLimitEvents(events: $events) { results { outcome message } userErrors { code message path } } }`;
const node = 'query ($id: ID!) { node(id: $id) { id } }';
const user = 'query ($id: ID!) { user(userId: $id) { id } }';

const refused = { status: 400, code: 'BAD_USER_INPUT' };

const toMany = (userIds: readonly string[], content: object = {}) => ({
  userIds,
  content: { title: 'x', ...content },
});

describe('the API', () => {
  let probe: Probe;
  beforeAll(async () => {
    probe = await startProbe();
  });
  afterEach(() => probe.expectUnharmed());
  afterAll(() => probe.app.stop());

  describe('the API for limits', () => {
    const limit = { userId: 'alice', brandId: 'b', type: 'DEPOSIT', period: 'DAY', value: '1' };
    const amounts = [
      '1,000.00',
      '1e3',
      'NaN',
      'Infinity',
      '9'.repeat(40),
      '',
      ' 1',
      '+1',
      '.5',
      '1.',
      '0x1',
      '٣',
      5,
      null,
    ];
    it.each(shown(amounts))('refuses the amount %s', async (_, amount) => {
      for (const [query, input] of [
        [useLimit, { userLimitId: 'limit-1', amount }],
        [createLimit, { ...limit, value: amount }],
      ] as const) {
        expect(await probe.run(query, { input }, probe.service)).toMatchObject(refused);
      }
    });

    const inputs: [query: string, input: object, code: string][] = [
      [useLimit, { userLimitId: 'limit-1', amount: '-0.01' }, 'INVALID_INPUT'],
      [createLimit, { ...limit, value: '-1' }, 'INVALID_INPUT'],
      [createLimit, { ...limit, userLimitId: 'a\u0000' }, 'INVALID_INPUT'],
      [createLimit, { ...limit, brandId: 'x'.repeat(129) }, 'INVALID_INPUT'],
      [createLimit, { ...limit, currencyCode: '' }, 'INVALID_INPUT'],
      [createLimit, { ...limit, type: 'POKER' }, 'BAD_USER_INPUT'],
      [createLimit, { ...limit, activeUntil: '2020-01-01T00:00:00Z' }, 'INVALID_INPUT'],
      [createLimit, { ...limit, userId: 'nobody' }, 'USER_NOT_FOUND'],
      [useLimit, { userLimitId: 'none', amount: '1' }, 'NOT_FOUND'],
      [useLimit, { userLimitId: "' OR 1=1 --", amount: '1' }, 'NOT_FOUND'],
      [resetLimit, { userLimitId: 'none' }, 'NOT_FOUND'],
      [resetLimit, { userLimitId: '\ud800' }, 'NOT_FOUND'],
      [resetLimit, { userLimitId: 'limit-1', nextResetAt: '2020-01-01T00:00:00Z' }, 'INVALID_INPUT'],
    ];
    it.each(inputs)('changes no row for %s with %j', async (query, input, code) => {
      expect(await probe.run(query, { input }, probe.service)).toMatchObject({ code });
    });

    it('accepts no malformed event', async () => {
      const events = [
        {},
        { type: 'USER_LIMIT_RESET' },
        { type: 'USER_LIMIT_RESET', payload: [] },
        { type: 'OTHER' },
      ];
      const { json } = await probe.run(ingest, { events }, probe.service);
      const { results } = (json.data as { ingestLimitEvents: { results: { outcome: string }[] } })
        .ingestLimitEvents;
      expect(results.map(({ outcome }) => outcome)).toEqual([
        'INVALID',
        'INVALID',
        'INVALID',
        'IGNORED_TYPE',
      ]);
      expect(await probe.run(ingest, { events: [] }, probe.service)).toMatchObject({ code: 'INVALID_INPUT' });
      expect(await probe.run(ingest, { events: ['x'] }, probe.service)).toMatchObject(refused);
      expect(await probe.run(ingest, '{"events":[{"a":1e999}]}', probe.service)).toMatchObject(refused);
    });
  });

  describe('the API for numbers', () => {
    const page = 'query ($first: Int) { viewer { notifications(first: $first) { nodes { id } } } }';
    const sizes = ['-1', '0', '101', '2147483648', '9007199254740993', '1e999', '1.5', '"1"', '[1]', '{}'];
    const items = 'query ($first: Int) { items(collection: "news", first: $first) { nodes { id } } }';
    it.each(sizes)('refuses the page size %s', async (first) => {
      for (const query of [page, items])
        expect(await probe.run(query, `{"first":${first}}`)).toMatchObject({ code: 'BAD_USER_INPUT' });
      const literal = page.replace('($first: Int)', '').replace('$first', first);
      expect(await probe.run(literal)).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    const bounds = [
      '{ viewer { badge { display(max: -1) } } }',
      '{ viewer { badge { display(max: 10000) } } }',
      '{ viewer { stats { topPages(first: 0) { name } } } }',
      '{ viewer { stats { topPages(first: 101) { name } } } }',
      '{ viewer { stats(window: { days: 0 }) { pageViewCount } } }',
      '{ viewer { stats(window: { days: 184 }) { pageViewCount } } }',
    ];
    it.each(bounds)('refuses %s', async (query) => {
      expect(await probe.run(query)).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    it.each(['9007199254740993', '-9007199254740993', '1e21', '1e999'])(
      'refuses the number %s as an id, because rounding would turn it into the id of another user',
      async (id) => {
        expect(await probe.run(user, `{"id":${id}}`, probe.service)).toMatchObject(refused);
        const input = `{"input":{"users":[{"userId":${id},"patch":{}}]}}`;
        expect(await probe.run(upsert, input, probe.service)).toMatchObject(refused);
      },
    );
  });

  describe('the API for ids and cursors', () => {
    // biome-ignore format: one long list
    const ids = [
      '', 'x'.repeat(10_000), '../', '%00', '\0', '\ud800', 'a\r\nb', '\u202eevil', "' OR 1=1 --", '<script>',
      '__proto__', 'constructor', 'usr_', 'usr_!', 'ntf_YWxpY2U', 'pgv_YWxpY2U', 'bdg_', 'x_YWxpY2U',
    ];
    it.each(shown(ids))('finds no user and no node for the id %s', async (_, id) => {
      for (const token of [probe.alice, probe.service]) {
        const query = 'query ($id: ID!) { user(userId: $id) { id } node(id: $id) { id } }';
        const { status, json } = await probe.run(query, { id }, token);
        expect({ status, ...json }).toEqual({ status: 200, data: { user: null, node: null } });
      }
    });

    const nodeId = (kind: string, ...parts: string[]) =>
      `${kind}_${Buffer.from(parts.join('\n')).toString('base64url')}`;
    const uuid = '0197a000-0000-7000-8000-000000000001';
    // biome-ignore format: one long list
    const times = ['-1', '0', '', '1.5', '1e15', 'x', '-62135596800001', '999999999999999', '8640000000000000'];
    const forged = [
      ...['\0', 'x'.repeat(10_000), "' OR 1=1 --", 'bob\nbob'].map((id) => nodeId('usr', id)),
      ...['\0', 'nobody'].map((id) => nodeId('bdg', id, 'notifications')),
      ...['items:', 'items:a b', `items:${'x'.repeat(65)}`].map((key) => nodeId('bdg', 'alice', key)),
      nodeId('itm', 'news', 'nothing'),
      nodeId('itm', 'a b', "' OR 1=1 --"),
      ...["'; DROP TABLE notification; --", uuid].map((id) => nodeId('ntf', id)),
      ...times.map((time) => nodeId('pgv', 'alice', time, uuid)),
      `${nodeId('usr', 'alice')}=`,
    ];
    it.each(shown(forged))('finds no node for the forged id %s', async (_, id) => {
      const { status, json } = await probe.run(node, { id }, probe.service);
      expect({ status, ...json }).toEqual({ status: 200, data: { node: null } });
    });

    const mutations: [name: string, mutation: string, variables: (id: string) => unknown][] = [
      ['openInbox', open, (userId) => ({ input: { userId } })],
      ['updatePreferences', prefer, (userId) => ({ input: { userId, enabled: false } })],
      ['sendNotification', send, (to) => ({ to, content: { title: 'x' } })],
      ['sendNotifications', sendMany, (to) => ({ input: { userIds: [to], content: { title: 'x' } } })],
      ['upsertUsers', upsert, (userId) => ({ input: { users: [{ userId, patch: {} }] } })],
      ['recordPageView', record, (userId) => ({ input: { userId, name: 'x' } })],
      ['recordPageView of', record, (subjectId) => ({ input: { userId: 'alice', name: 'x', subjectId } })],
    ];
    it.each(mutations)(
      '%s refuses an id that is empty, too long or not plain text',
      async (_, mutation, variables) => {
        for (const id of ['', 'x'.repeat(129), '\0', '\ud800', 'a\r\nb']) {
          const { code } = await probe.run(mutation, variables(id), probe.service);
          expect(code).toMatch(/^(BAD_USER_INPUT|INVALID_INPUT)$/);
        }
      },
    );

    const itemIds = ['', 'x'.repeat(129), '\0', '\ud800', 'a\r\nb'];
    it.each(shown(itemIds))('refuses the item id %s', async (_, id) => {
      for (const [mutation, ids] of [
        [publish, { items: [{ itemId: id }] }],
        [retract, { itemIds: [id] }],
        [view, { itemIds: [id], userId: 'alice' }],
      ] as const) {
        const { code } = await probe.run(mutation, { input: { collection: 'news', ...ids } }, probe.service);
        expect(code).toMatch(/^(BAD_USER_INPUT|INVALID_INPUT)$/);
      }
    });

    const collections = ['', 'a b', 'x'.repeat(65), '\0', 'a/b', 'a:b', 'n\u00e9ws', "' OR 1=1 --", '{x}'];
    it.each(shown(collections))('refuses the collection %s', async (_, collection) => {
      const publication = { collection, items: [{ itemId: 'a' }] };
      for (const [mutation, input] of [
        [publish, publication],
        [retract, { collection, itemIds: ['a'] }],
        [view, { collection, itemIds: ['a'], userId: 'alice' }],
      ] as const)
        expect(await probe.run(mutation, { input }, probe.service)).toMatchObject({ code: 'INVALID_INPUT' });
      const list = 'query ($collection: String!) { items(collection: $collection) { totalCount } }';
      expect(await probe.run(list, { collection })).toMatchObject({ code: 'BAD_USER_INPUT' });
      const badges = 'query ($key: String!) { viewer { badge(key: $key) { unseen } } }';
      expect(await probe.run(badges, { key: `items:${collection}` })).toMatchObject({
        code: 'BAD_USER_INPUT',
      });
    });

    it('returns up to 100 badges per field', async () => {
      const badges = 'query ($keys: [String!]) { viewer { badges(keys: $keys) { unseen } } }';
      const keys = (count: number) => Array.from({ length: count }, (_, n) => `items:${n}`);
      expect(await probe.run(badges, { keys: keys(100) })).toMatchObject({ status: 200, code: undefined });
      for (const refused of [[], keys(101), Array(101).fill('items:a'), ['notifications', 'items:']])
        expect(await probe.run(badges, { keys: refused })).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    it('refuses openInbox for a collection, and explains that a user must view the items', async () => {
      const reply = await probe.run(open, { input: { key: 'items:news' } });
      expect(reply).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
      expect(reply.message).toContain('record their views');
    });

    const cursor = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
    const cursors: [what: string, cursor: string][] = [
      ['no characters', ''],
      ['invalid base64', 'a\0b'],
      ['10 000 characters', 'x'.repeat(10_000)],
      ['an empty list', cursor()],
      ['an object', Buffer.from('{"0":"notifications"}').toString('base64url')],
      ['another user', cursor('notifications', 'default/bob', '1')],
      ['another tenant', cursor('notifications', 'other/alice', '1')],
      ['another list', cursor('pageViews', 'default/alice', '1', uuid)],
      ['no position', cursor('notifications', 'default/alice')],
      ['position 0', cursor('notifications', 'default/alice', '0')],
      ['a place in SQL', cursor('notifications', 'default/alice', '1 OR 1=1')],
      ['a place beyond 64 bits', cursor('notifications', 'default/alice', '9'.repeat(19))],
      ['a place that is not text', cursor('notifications', 'default/alice', 1)],
      ['two places', cursor('notifications', 'default/alice', '1', '2')],
    ];
    it.each(cursors)('refuses a cursor with %s in the list of users', async (_, after) => {
      const list = 'query ($after: String) { users(after: $after) { nodes { id } } }';
      expect(await probe.run(list, { after }, probe.service)).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    it.each(cursors)('refuses a cursor with %s in an inbox', async (_, after) => {
      const list = 'query ($after: String) { viewer { notifications(after: $after) { nodes { id } } } }';
      expect(await probe.run(list, { after })).toMatchObject({ code: 'BAD_USER_INPUT' });
      expect(await probe.run(open, { input: { upTo: after } })).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    const moment = '1795000000000';
    const itemCursors: [what: string, cursor: string][] = [
      ['another collection', cursor('items', 'default', 'other', moment, 'a')],
      ['another tenant', cursor('items', 'other', 'news', moment, 'a')],
      ['another list', cursor('deadLetters', 'default', 'news', moment, 'a')],
      ['no moment', cursor('items', 'default', 'news', 'now', 'a')],
      ['no item', cursor('items', 'default', 'news', moment)],
      ['an invalid item id', cursor('items', 'default', 'news', moment, '\0')],
    ];
    it.each(itemCursors)('refuses a cursor with %s in a list of items', async (_, after) => {
      const list = 'query ($after: String) { items(collection: "news", after: $after) { totalCount } }';
      expect(await probe.run(list, { after })).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    const keys = ['', 'a b', 'x'.repeat(129), '\0', 'ü', 'a\n', 7];
    it.each(shown(keys))('refuses the idempotency key %s', async (_, idempotencyKey) => {
      expect(await probe.run(record, { input: { name: 'x', idempotencyKey } })).toMatchObject(refused);
      const input = { ...toMany(['alice']), idempotencyKey };
      expect(await probe.run(sendMany, { input }, probe.service)).toMatchObject(refused);
    });
  });

  describe('the API for bulk calls', () => {
    const users = (ids: readonly string[]) => ({ users: ids.map((userId) => ({ userId, patch: {} })) });
    const views = (count: number) => ({ views: Array(count).fill({ userId: 'alice', name: 'x' }) });
    const range = (fromId: number, toIdExclusive: number) => ({ fromId, toIdExclusive, patch: {} });
    const choices = (names: readonly string[]) => ({
      userId: 'alice',
      categories: names.map((category) => ({ category, enabled: false })),
    });
    const tooLarge = { a: 'x'.repeat(16_385 - 8) };
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
    const numbered = (count: number) => Array.from({ length: count }, (_, index) => `user-${index}`);
    const news = { collection: 'news' };
    const items = (ids: readonly string[]) => ids.map((itemId) => ({ itemId }));
    const bulks: [what: string, mutation: string, input: unknown, code: string][] = [
      ['the same user twice', upsert, users(['carol', 'dave', 'carol']), 'INVALID_INPUT'],
      ['501 users', upsert, users(numbered(501)), 'TOO_MANY_ITEMS'],
      ['no user', upsert, users([]), 'INVALID_INPUT'],
      ['501 recipients', sendMany, toMany(numbered(501)), 'TOO_MANY_ITEMS'],
      ['500 recipients who do not exist', sendMany, toMany(numbered(500)), 'USER_NOT_FOUND'],
      ['no recipient', sendMany, toMany([]), 'INVALID_INPUT'],
      ['a missing recipient twice', sendMany, toMany(['carol', 'carol']), 'USER_NOT_FOUND'],
      ['a title of 201 characters', sendMany, toMany(['alice'], { title: 'x'.repeat(201) }), 'INVALID_INPUT'],
      ['data of 16 385 bytes', sendMany, toMany(['alice'], { data: tooLarge }), 'BAD_USER_INPUT'],
      [
        'a time more than a year in the future',
        sendMany,
        { ...toMany(['alice']), scheduledFor: inDays(367) },
        'IN_FUTURE',
      ],
      ['an expiry in the past', sendMany, toMany(['alice'], { expiresAt: inDays(-1) }), 'INVALID_INPUT'],
      ['501 views', recordMany, views(501), 'TOO_MANY_ITEMS'],
      ['no view', recordMany, views(0), 'INVALID_INPUT'],
      ['a range of 10 001 users', importRange, range(0, 10_001), 'TOO_MANY_ITEMS'],
      ['a range of the maximal length', importRange, range(0, 2_147_483_647), 'TOO_MANY_ITEMS'],
      ['an empty range', importRange, range(7, 7), 'INVALID_INPUT'],
      ['a reversed range', importRange, range(7, 6), 'INVALID_INPUT'],
      ['a range that begins below 0', importRange, range(-1, 1), 'INVALID_INPUT'],
      ['101 categories', prefer, choices(numbered(101)), 'TOO_MANY_ITEMS'],
      ['the same category twice', prefer, choices(['news', 'general', 'news']), 'INVALID_INPUT'],
      ['a category with a space', prefer, choices(['a b']), 'INVALID_INPUT'],
      ['a category of 65 characters', prefer, choices(['x'.repeat(65)]), 'INVALID_INPUT'],
      ['U+0000 in a category', prefer, choices(['\0']), 'INVALID_INPUT'],
      ['the same item twice', publish, { ...news, items: items(['a', 'b', 'a']) }, 'INVALID_INPUT'],
      ['501 items', publish, { ...news, items: items(numbered(501)) }, 'TOO_MANY_ITEMS'],
      ['no item', publish, { ...news, items: [] }, 'INVALID_INPUT'],
      ['the same item to retract twice', retract, { ...news, itemIds: ['a', 'a'] }, 'INVALID_INPUT'],
      ['501 items to retract', retract, { ...news, itemIds: numbered(501) }, 'TOO_MANY_ITEMS'],
      ['no item to retract', retract, { ...news, itemIds: [] }, 'INVALID_INPUT'],
      ['501 items viewed', view, { userId: 'alice', ...news, itemIds: numbered(501) }, 'TOO_MANY_ITEMS'],
      ['no item viewed', view, { userId: 'alice', ...news, itemIds: [] }, 'INVALID_INPUT'],
    ];
    it.each(bulks)('changes no row for a call with %s', async (_, mutation, input, code) => {
      const status = code === 'BAD_USER_INPUT' ? 400 : 200;
      expect(await probe.run(mutation, { input }, probe.service)).toMatchObject({ status, code });
    });

    it('refuses input fields that the schema does not have', async () => {
      for (const key of ['__proto__', 'constructor', 'tenantId']) {
        expect(await probe.run(record, `{"input":{"name":"x","${key}":"y"}}`)).toMatchObject(refused);
      }
    });
  });

  describe('the API for texts', () => {
    const contents: [what: string, content: Record<string, unknown>][] = [
      ['no title', { title: '' }],
      ['a title of 201 characters', { title: 'x'.repeat(201) }],
      ['U+0000 in the title', { title: 'a\0b' }],
      ['a lone surrogate in the title', { title: 'a\udfffb' }],
      ['a body of 4001 characters', { title: 'x', body: 'x'.repeat(4001) }],
      ['U+0000 in the body', { title: 'x', body: '\0' }],
      ['a space in the category', { title: 'x', category: 'a b' }],
      ['a line break in the subject', { title: 'x', subjectId: 'a\nb' }],
      ['a script for an action', { title: 'x', actionUrl: 'javascript:alert(1)' }],
      ['another host for an action', { title: 'x', actionUrl: '//evil.example' }],
      ['another host by a backslash', { title: 'x', actionUrl: '/\\evil.example' }],
      ['another host by a tab', { title: 'x', actionUrl: '/\t/evil.example' }],
      ['a line break in the action', { title: 'x', actionUrl: '/a\r\nb' }],
    ];
    it.each(contents)('sends no notification with %s', async (_, content) => {
      const reply = await probe.run(send, { content }, probe.service);
      expect(reply).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
    });

    const titles = ['', 'x'.repeat(201), 'a\0b', 'a\udfffb'];
    it.each(shown(titles))('publishes no item of a call that contains the title %s', async (_, title) => {
      const items = [{ itemId: 'a' }, { itemId: 'b', title }];
      const { code } = await probe.run(publish, { input: { collection: 'news', items } }, probe.service);
      expect(code).toMatch(/^(BAD_USER_INPUT|INVALID_INPUT)$/);
    });

    it.each(shown(['', 'x'.repeat(10_000), 'a\nb', '\0', '\ud800']))(
      'records no activity of the type %s',
      async (_, activityType) => {
        const reply = await probe.run(record, { input: { name: 'x', activityType } });
        expect(reply).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
      },
    );

    it('refuses U+0000 and a lone surrogate in a literal of the document', async () => {
      const literal = (title: string) =>
        send
          .replace(/\(\$content.*"\) /, '')
          .replace('$content', `{ title: "${title}" }`)
          .replace('$to', '"alice"');
      const nul = await probe.run(literal('\\u0000'), {}, probe.service);
      expect(nul).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
      expect(await probe.run(literal('\\ud800'), {}, probe.service)).toMatchObject(refused);
    });
  });

  describe('the API for JSON objects', () => {
    const lists = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    const objects: [what: string, json: string][] = [
      ['a list', '[]'],
      ['a string', '"x"'],
      ['a number', '7'],
      ['U+0000 in a value', '{"a":"\\u0000"}'],
      ['U+0000 in a key', '{"a":{"\\u0000":1}}'],
      ['a lone surrogate in a value', '{"a":["\\ud800"]}'],
      ['a lone surrogate in a key', '{"\\udc00":1}'],
      ['an integer that has lost digits', '{"a":{"b":[9007199254740993]}}'],
      ['a number that is infinite', '{"a":1e999}'],
      ['101 levels', lists(100)],
      ['40 000 levels', lists(39_999)],
      ['16 KB and a byte', `{"a":"${'x'.repeat(16_384 - 7)}"}`],
    ];
    it.each(objects)('refuses %s', async (_, json) => {
      const variables = `{"content":{"title":"x","data":${json}}}`;
      expect(await probe.run(send, variables, probe.service)).toMatchObject(refused);
    });

    it.each(['[]', '{ a: "\\u0000" }', '{ a: 9007199254740993 }', '{ a: 1e999 }'])(
      'refuses the literal %s in the document',
      async (json) => {
        const document = `mutation { sendNotification(input: { userId: "alice", content: { title: "x", data: ${json} } }) { notificationId } }`;
        expect(await probe.run(document, {}, probe.service)).toMatchObject(refused);
      },
    );
  });

  describe('the API for times', () => {
    const stats = 'query ($zone: TimeZone) { viewer { stats(window: { timeZone: $zone }) { timeZone } } }';
    const list =
      'query ($from: DateTime!, $to: DateTime) { viewer { pageViews(range: { from: $from, to: $to }) { totalCount } } }';

    // biome-ignore format: one long list
    const zones = [
      "UTC'); DROP TABLE x;--", '+25:00', '+02:00', '-08', 'Mars/Base', '', 'UTC\0', ' UTC', 'foo0', 'localtime',
      'posixrules', '__proto__', 'x'.repeat(10_000), '../../etc/localtime',
    ];
    it.each(shown(zones))('refuses the time zone %s', async (_, zone) => {
      expect(await probe.run(stats, { zone })).toMatchObject(refused);
      const input = { users: [{ userId: 'alice', patch: { timeZone: zone } }] };
      expect(await probe.run(upsert, { input }, probe.service)).toMatchObject(refused);
      expect(await probe.run(prefer, { input: { timeZone: zone } })).toMatchObject(refused);
      const range = { fromId: 1, toIdExclusive: 2, patch: { timeZone: zone } };
      expect(await probe.run(importRange, { input: range }, probe.service)).toMatchObject(refused);
    });

    const metrics = `query ($from: DateTime!, $to: DateTime, $zone: TimeZone) {
      activityMetrics(range: { from: $from, to: $to }, timeZone: $zone, granularity: MINUTE) { pageViewCount } }`;
    it.each(shown(zones))('returns no metrics for the time zone %s', async (_, zone) => {
      const variables = { from: new Date().toISOString(), zone };
      expect(await probe.run(metrics, variables, probe.service)).toMatchObject(refused);
    });

    it.each([
      ['reversed', 0, -60_000, 'range.to must be later'],
      ['too long', -7 * 86_400_000, 0, '1500 MINUTE buckets'],
      ['outside the retention', -184 * 86_400_000, 0, 'retention of 183 days'],
      ['too far in the future', 0, 400 * 86_400_000, '1500 MINUTE buckets'],
    ])('returns no metrics for a range that is %s', async (_, from, to, message) => {
      const at = (ms: number) => new Date(Date.now() + ms).toISOString();
      const reply = await probe.run(metrics, { from: at(from), to: at(to) }, probe.service);
      expect(reply).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringContaining(message) });
    });

    it('accepts an IANA link name as a time zone', async () => {
      const { json } = await probe.run(stats, { zone: 'US/Pacific' });
      expect(json.data).toEqual({ viewer: { stats: { timeZone: 'US/Pacific' } } });
    });

    // biome-ignore format: one long list
    const notTimes = [
      '2026-02-30T00:00:00Z', '2026-11-20T24:00:00Z', '2026-11-20T23:59:60Z', '2026-11-20T12:60:00Z',
      '2026-11-20T12:00:00', '2026-11-20T12:00Z', '2026-11-20', '2026-13-01T00:00:00Z', '2026-11-20T12:00:00+25:00',
      '2026-11-20T12:00:00+0100', '+275760-09-13T00:00:00Z', '275760-09-13T00:00:00Z', '-000001-01-01T00:00:00Z',
      '0000-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-00:01', '2026-11-20 12:00:00Z', '2026-11-20T12:00:00,5Z',
      '2026-11-20T12:00:00Z\n', 'now', 'infinity', '', 1_795_000_000_000,
    ];
    it.each(shown(notTimes))('refuses the time %s', async (_, time) => {
      expect(await probe.run(record, { input: { name: 'x', occurredAt: time } })).toMatchObject(refused);
      expect(await probe.run(list, { from: time })).toMatchObject(refused);
    });

    const dayMs = 86_400_000;
    const fromNow = (ms: number) => () => new Date(Date.now() + ms).toISOString();
    const retention = 'retention of 183 days';
    const outside: [what: string, time: () => string, code: string, bound: string][] = [
      ['the year 1', () => '0001-01-01T00:00:00Z', 'TOO_OLD', retention],
      ['the year 1900', () => '1900-01-01T00:00:00Z', 'TOO_OLD', retention],
      ['a minute before the retention', fromNow(-183 * dayMs - 60_000), 'TOO_OLD', retention],
      ['6 minutes in the future', fromNow(6 * 60_000), 'IN_FUTURE', '5 minutes'],
      ['ten years in the future', fromNow(3653 * dayMs), 'IN_FUTURE', '5 minutes'],
      ['the end of 9999', () => '9999-12-31T23:59:59.999Z', 'IN_FUTURE', '5 minutes'],
    ];
    it.each(outside)('records nothing for %s and names the bound', async (_, time, code, bound) => {
      const reply = await probe.run(record, { input: { name: 'x', occurredAt: time() } });
      expect(reply).toMatchObject({ status: 200, code });
      expect(reply.message).toContain(bound);
      const items = { collection: 'news', items: [{ itemId: 'a', publishedAt: time() }] };
      const seen = { collection: 'news', itemIds: ['a'], userId: 'alice', occurredAt: time() };
      expect(await probe.run(publish, { input: items }, probe.service)).toMatchObject({ status: 200, code });
      expect(await probe.run(view, { input: seen }, probe.service)).toMatchObject({ status: 200, code });
    });

    it('finds nothing in ranges before and after all records', async () => {
      const { json } = await probe.run(list, { from: '9999-12-31T23:59:59.999Z' });
      expect(json.data).toEqual({ viewer: { pageViews: { totalCount: 0 } } });
      const sinceEver = await probe.run(list, { from: '0001-01-01T00:00:00Z', to: '1900-01-01T00:00:00Z' });
      expect(sinceEver.json.data).toEqual({ viewer: { pageViews: { totalCount: 0 } } });
    });

    it.each(['2026-11-19T12:00:00Z', '2026-11-20T12:00:00Z'])(
      'refuses a range from 2026-11-20T12:00:00Z to %s',
      async (to) => {
        const reply = await probe.run(list, { from: '2026-11-20T12:00:00Z', to });
        expect(reply).toMatchObject({ code: 'BAD_USER_INPUT' });
      },
    );
  });
});

describe('the API for valid data that looks like an attack', () => {
  let probe: Probe;
  let notifications = 1;
  let views = 1;
  beforeAll(async () => {
    probe = await startProbe();
  });
  afterAll(() => probe.app.stop());

  // biome-ignore format: one long list
  const texts = [
    '\u202egnp.exe', '<script>alert(1)</script>', 'a\r\nSet-Cookie: x=1', "' OR 1=1 --",
    "'; DROP TABLE notification; --", '%00', '\\u0000', '../../etc/passwd', '\u{1f514}\ufe0f', '__proto__', '\ufeffx',
    'x'.repeat(200),
  ];
  it.each(shown(texts))('stores the text %s unchanged', async (_, text) => {
    expect(await probe.run(send, { content: { title: text, body: text } }, probe.service)).toMatchObject({
      code: undefined,
    });
    expect(await probe.run(record, { input: { name: text, path: text } })).toMatchObject({ code: undefined });
    notifications += 1;
    views += 1;
    const query = `{ viewer {
      notifications(first: 1) { nodes { title body } totalCount }
      pageViews(first: 1) { nodes { name path } totalCount } } }`;
    await vi.waitFor(async () => {
      const { json } = await probe.run(query);
      expect(json.data).toEqual({
        viewer: {
          notifications: { nodes: [{ title: text, body: text }], totalCount: notifications },
          pageViews: { nodes: [{ name: text, path: text }], totalCount: views },
        },
      });
    });
  });

  const objects: [what: string, json: string][] = [
    ['a prototype', '{"__proto__":{"x":1}}'],
    [
      'keys of prototypes inside',
      '{"a":{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}},"toString":null}}',
    ],
    ['a constructor', '{"constructor":{"prototype":{"x":1}},"hasOwnProperty":1,"toJSON":"x"}'],
    ['text that reads like U+0000', '{"a":"\\\\u0000"}'],
    ['100 levels', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
    ['exactly 16 KB', `{"a":"${'x'.repeat(16_384 - 8)}"}`],
    ['numbers that are exact', '{"a":[9007199254740991,-0.5,1e-7,0]}'],
  ];
  it.each(objects)('stores a JSON object with %s unchanged', async (_, json) => {
    const reply = await probe.run(send, `{"content":{"title":"x","data":${json}}}`, probe.service);
    expect(reply).toMatchObject({ code: undefined });
    notifications += 1;
    await vi.waitFor(async () => {
      const { json: answer } = await probe.run(
        '{ viewer { notifications(first: 1) { nodes { data } totalCount } } }',
      );
      const data = JSON.parse(json);
      expect(answer.data).toEqual({
        viewer: { notifications: { nodes: [{ data }], totalCount: notifications } },
      });
    });
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it('accepts items at every upper bound, and ids that have a meaning in other languages', async () => {
    const collection = 'x'.repeat(64);
    const odd = ['__proto__', 'constructor', '%00', "' OR 1=1 --", '\u{1f514}', 'a/b', ' '];
    const itemIds = [
      ...odd,
      ...Array.from({ length: 500 - odd.length }, (_, n) => `${n}`.padStart(128, 'x')),
    ];
    const publishedAt = new Date(Date.now() - 183 * 86_400_000 + 60_000);
    const items = itemIds.map((itemId) => ({ itemId, title: itemId.padEnd(200, 'x'), publishedAt }));
    const soon = new Date(Date.now() + 4 * 60_000);
    const calls: [mutation: string, input: unknown][] = [
      [publish, { collection, items }],
      [publish, { collection: 'x', items: [{ itemId: 'x', publishedAt: soon }] }],
      [view, { collection, itemIds, userId: 'alice', occurredAt: publishedAt }],
      [view, { collection: 'x', itemIds: ['x', 'x'], userId: 'alice', occurredAt: soon }],
    ];
    for (const [mutation, input] of calls)
      expect(await probe.run(mutation, { input }, probe.service)).toMatchObject({ code: undefined });
    await vi.waitFor(async () => {
      const query = `query ($keys: [String!]) { viewer { badges(keys: $keys) { unseen version } } }`;
      const keys = [`items:${collection}`, 'items:x'];
      const seen = { unseen: 0, version: 2 };
      expect((await probe.run(query, { keys })).json.data).toEqual({ viewer: { badges: [seen, seen] } });
    });
    const list = 'query ($collection: String!) { items(collection: $collection, first: 100) { totalCount } }';
    expect((await probe.run(list, { collection })).json.data).toEqual({ items: { totalCount: 500 } });
    expect(await probe.run(retract, { input: { collection, itemIds } }, probe.service)).toMatchObject({
      code: undefined,
    });
  });

  it('stores exactly the rows of the accepted requests', async () => {
    await vi.waitFor(async () => {
      expect(await rowCounts(probe.app.connectionString)).toEqual({
        _prisma_migrations: expect.any(Number),
        activity_type: 0,
        app_user: 2,
        counted_event: views,
        dead_letter: 0,
        early_item_view: 0,
        // For each notification, the log contains an event and an announcement. The log also contains the
        // event of the limit.
        event_log: isScaled ? 0 : 2 * notifications + views + 3,
        idempotency_key: 0,
        inbox: 1,
        inbox_change: 0,
        inbox_opening: 0,
        item: 501,
        item_collection: 2,
        item_view: 501,
        item_viewer: 2,
        log_head: 1,
        log_in_use: 1,
        log_position: isScaled ? 0 : 2,
        notification: notifications,
        notification_preference: 0,
        outbox: 0,
        page_view: views,
        processed_event: notifications + views + 3,
        user_activity: 0,
        // The page views of a user belong to one or two minutes, so the number of rows varies.
        user_activity_member: expect.any(Number),
        user_activity_metrics: expect.any(Number),
        user_activity_type: expect.any(Number),
        user_limit: 1,
        user_limit_event: 1,
        version_floor: 0,
        waiting_record: 0,
      });
    }, 10_000);
  });
});
