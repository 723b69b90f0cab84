import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isScaled } from './testing/app.ts';
import { type Probe, rowCounts, shown, startProbe } from './testing/bad-input.ts';

const send = `mutation ($content: NotificationContentInput!, $to: ID! = "alice") {
  sendNotification(input: { userId: $to, content: $content }) { userErrors { code message } } }`;
const record = `mutation ($input: RecordPageViewInput!) {
  recordPageView(input: $input) { userErrors { code message } } }`;
const recordMany = `mutation ($input: RecordPageViewsInput!) {
  recordPageViews(input: $input) { userErrors { code message } } }`;
const upsert = `mutation ($input: UpsertUsersInput!) {
  upsertUsers(input: $input) { userErrors { code message } } }`;
const open = `mutation ($input: OpenInboxInput!) {
  openInbox(input: $input) { userErrors { code message } } }`;
const prefer = `mutation ($input: UpdatePreferencesInput!) {
  updatePreferences(input: $input) { userErrors { code message path } } }`;
const importRange = `mutation ($input: ImportUserRangeInput!) {
  importUserRange(input: $input) { userErrors { code message path } } }`;
const node = 'query ($id: ID!) { node(id: $id) { id } }';
const user = 'query ($id: ID!) { user(userId: $id) { id } }';

const refused = { status: 400, code: 'BAD_USER_INPUT' };

describe('what is refused', () => {
  let probe: Probe;
  beforeAll(async () => {
    probe = await startProbe();
  });
  afterEach(() => probe.expectUnharmed());
  afterAll(() => probe.app.stop());

  describe('numbers', () => {
    const page = 'query ($first: Int) { viewer { notifications(first: $first) { nodes { id } } } }';
    const sizes = ['-1', '0', '101', '2147483648', '9007199254740993', '1e999', '1.5', '"1"', '[1]', '{}'];
    it.each(sizes)('takes no page size of %s', async (first) => {
      expect(await probe.run(page, `{"first":${first}}`)).toMatchObject({ code: 'BAD_USER_INPUT' });
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
      'does not take %s for an id: it has lost digits and would name somebody else',
      async (id) => {
        expect(await probe.run(user, `{"id":${id}}`, probe.service)).toMatchObject(refused);
        const input = `{"input":{"users":[{"userId":${id},"patch":{}}]}}`;
        expect(await probe.run(upsert, input, probe.service)).toMatchObject(refused);
      },
    );
  });

  describe('ids', () => {
    // biome-ignore format: one long list
    const ids = [
      '', 'x'.repeat(10_000), '../', '%00', '\0', '\ud800', 'a\r\nb', '\u202eevil', "' OR 1=1 --", '<script>',
      '__proto__', 'constructor', 'usr_', 'usr_!', 'ntf_YWxpY2U', 'pgv_YWxpY2U', 'bdg_', 'x_YWxpY2U',
    ];
    it.each(shown(ids))('knows nobody and nothing of the id %s', async (_, id) => {
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
      nodeId('bdg', 'alice', 'items:news'),
      ...["'; DROP TABLE notification; --", uuid].map((id) => nodeId('ntf', id)),
      ...times.map((time) => nodeId('pgv', 'alice', time, uuid)),
      `${nodeId('usr', 'alice')}=`,
    ];
    it.each(shown(forged))('finds nothing by the forged node id %s', async (_, id) => {
      const { status, json } = await probe.run(node, { id }, probe.service);
      expect({ status, ...json }).toEqual({ status: 200, data: { node: null } });
    });

    const mutations: [name: string, mutation: string, variables: (id: string) => unknown][] = [
      ['openInbox', open, (userId) => ({ input: { userId } })],
      ['updatePreferences', prefer, (userId) => ({ input: { userId, enabled: false } })],
      ['sendNotification', send, (to) => ({ to, content: { title: 'x' } })],
      ['upsertUsers', upsert, (userId) => ({ input: { users: [{ userId, patch: {} }] } })],
      ['recordPageView', record, (userId) => ({ input: { userId, name: 'x' } })],
      ['recordPageView of', record, (subjectId) => ({ input: { userId: 'alice', name: 'x', subjectId } })],
    ];
    it.each(mutations)('%s takes no name that is empty, long or not text', async (_, mutation, variables) => {
      for (const id of ['', 'x'.repeat(129), '\0', '\ud800', 'a\r\nb']) {
        const { code } = await probe.run(mutation, variables(id), probe.service);
        expect(code).toMatch(/^(BAD_USER_INPUT|INVALID_INPUT)$/);
      }
    });

    const cursor = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
    const cursors: [what: string, cursor: string][] = [
      ['nothing', ''],
      ['no base64', 'a\0b'],
      ['10 000 characters', 'x'.repeat(10_000)],
      ['an empty list', cursor()],
      ['an object', Buffer.from('{"0":"notifications"}').toString('base64url')],
      ['another user', cursor('notifications', 'default/bob', '1')],
      ['another tenant', cursor('notifications', 'other/alice', '1')],
      ['another list', cursor('pageViews', 'default/alice', '1', uuid)],
      ['no place', cursor('notifications', 'default/alice')],
      ['place 0', cursor('notifications', 'default/alice', '0')],
      ['a place in SQL', cursor('notifications', 'default/alice', '1 OR 1=1')],
      ['a place beyond 64 bits', cursor('notifications', 'default/alice', '9'.repeat(19))],
      ['a place that is no text', cursor('notifications', 'default/alice', 1)],
      ['two places', cursor('notifications', 'default/alice', '1', '2')],
    ];
    it.each(cursors)('lists no users after a cursor of %s', async (_, after) => {
      const list = 'query ($after: String) { users(after: $after) { nodes { id } } }';
      expect(await probe.run(list, { after }, probe.service)).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    it.each(cursors)('takes no cursor of %s', async (_, after) => {
      const list = 'query ($after: String) { viewer { notifications(after: $after) { nodes { id } } } }';
      expect(await probe.run(list, { after })).toMatchObject({ code: 'BAD_USER_INPUT' });
      expect(await probe.run(open, { input: { upTo: after } })).toMatchObject({ code: 'BAD_USER_INPUT' });
    });

    const keys = ['', 'a b', 'x'.repeat(129), '\0', 'ü', 'a\n', 7];
    it.each(shown(keys))('takes no idempotency key %s', async (_, idempotencyKey) => {
      expect(await probe.run(record, { input: { name: 'x', idempotencyKey } })).toMatchObject(refused);
    });
  });

  describe('bulks', () => {
    const users = (ids: readonly string[]) => ({ users: ids.map((userId) => ({ userId, patch: {} })) });
    const views = (count: number) => ({ views: Array(count).fill({ userId: 'alice', name: 'x' }) });
    const range = (fromId: number, toIdExclusive: number) => ({ fromId, toIdExclusive, patch: {} });
    const choices = (names: readonly string[]) => ({
      userId: 'alice',
      categories: names.map((category) => ({ category, enabled: false })),
    });
    const numbered = (count: number) => Array.from({ length: count }, (_, index) => `user-${index}`);
    const bulks: [what: string, mutation: string, input: unknown, code: string][] = [
      ['the same user twice', upsert, users(['carol', 'dave', 'carol']), 'INVALID_INPUT'],
      ['501 users', upsert, users(numbered(501)), 'TOO_MANY_ITEMS'],
      ['no user', upsert, users([]), 'INVALID_INPUT'],
      ['501 views', recordMany, views(501), 'TOO_MANY_ITEMS'],
      ['no view', recordMany, views(0), 'INVALID_INPUT'],
      ['a range of 10 001 users', importRange, range(0, 10_001), 'TOO_MANY_ITEMS'],
      ['a range as long as can be', importRange, range(0, 2_147_483_647), 'TOO_MANY_ITEMS'],
      ['an empty range', importRange, range(7, 7), 'INVALID_INPUT'],
      ['a range that ends before it begins', importRange, range(7, 6), 'INVALID_INPUT'],
      ['a range that begins below 0', importRange, range(-1, 1), 'INVALID_INPUT'],
      ['101 categories', prefer, choices(numbered(101)), 'TOO_MANY_ITEMS'],
      ['the same category twice', prefer, choices(['news', 'general', 'news']), 'INVALID_INPUT'],
      ['a category with a space', prefer, choices(['a b']), 'INVALID_INPUT'],
      ['a category of 65 characters', prefer, choices(['x'.repeat(65)]), 'INVALID_INPUT'],
      ['U+0000 in a category', prefer, choices(['\0']), 'INVALID_INPUT'],
    ];
    it.each(bulks)('does nothing of one with %s', async (_, mutation, input, code) => {
      expect(await probe.run(mutation, { input }, probe.service)).toMatchObject({ status: 200, code });
    });

    it('takes no key of an input that the schema does not have', async () => {
      for (const key of ['__proto__', 'constructor', 'tenantId']) {
        expect(await probe.run(record, `{"input":{"name":"x","${key}":"y"}}`)).toMatchObject(refused);
      }
    });
  });

  describe('texts', () => {
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

    it.each(['', 'x'.repeat(10_000), 'a\nb', '\0', '\ud800'])(
      'records no activity of a type like %j',
      async (activityType) => {
        const reply = await probe.run(record, { input: { name: 'x', activityType } });
        expect(reply).toMatchObject({ status: 200, code: 'INVALID_INPUT' });
      },
    );

    it('refuses U+0000 and a lone surrogate written into the document', async () => {
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

  describe('JSON objects', () => {
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
      'refuses %s written into the document',
      async (json) => {
        const document = `mutation { sendNotification(input: { userId: "alice", content: { title: "x", data: ${json} } }) { notificationId } }`;
        expect(await probe.run(document, {}, probe.service)).toMatchObject(refused);
      },
    );
  });

  describe('times', () => {
    const stats = 'query ($zone: TimeZone) { viewer { stats(window: { timeZone: $zone }) { timeZone } } }';
    const list =
      'query ($from: DateTime!, $to: DateTime) { viewer { pageViews(range: { from: $from, to: $to }) { totalCount } } }';

    // biome-ignore format: one long list
    const zones = [
      "UTC'); DROP TABLE x;--", '+25:00', '+02:00', '-08', 'Mars/Base', '', 'UTC\0', ' UTC', 'foo0', 'localtime',
      'posixrules', '__proto__', 'x'.repeat(10_000), '../../etc/localtime',
    ];
    it.each(shown(zones))('takes no zone %s', async (_, zone) => {
      expect(await probe.run(stats, { zone })).toMatchObject(refused);
      const input = { users: [{ userId: 'alice', patch: { timeZone: zone } }] };
      expect(await probe.run(upsert, { input }, probe.service)).toMatchObject(refused);
      expect(await probe.run(prefer, { input: { timeZone: zone } })).toMatchObject(refused);
      const range = { fromId: 1, toIdExclusive: 2, patch: { timeZone: zone } };
      expect(await probe.run(importRange, { input: range }, probe.service)).toMatchObject(refused);
    });

    const metrics = `query ($from: DateTime!, $to: DateTime, $zone: TimeZone) {
      activityMetrics(range: { from: $from, to: $to }, timeZone: $zone, granularity: MINUTE) { pageViewCount } }`;
    it.each(shown(zones))('measures nothing in the zone %s', async (_, zone) => {
      const variables = { from: new Date().toISOString(), zone };
      expect(await probe.run(metrics, variables, probe.service)).toMatchObject(refused);
    });

    it.each([
      ['reversed', 0, -60_000, 'range.to must be later'],
      ['too long', -7 * 86_400_000, 0, '1500 buckets'],
      ['outside the retention', -184 * 86_400_000, 0, 'retention of 183 days'],
      ['without an end that can be', 0, 400 * 86_400_000, '1500 buckets'],
    ])('measures no range that is %s', async (_, from, to, message) => {
      const at = (ms: number) => new Date(Date.now() + ms).toISOString();
      const reply = await probe.run(metrics, { from: at(from), to: at(to) }, probe.service);
      expect(reply).toMatchObject({ code: 'BAD_USER_INPUT', message: expect.stringContaining(message) });
    });

    it('takes a link of IANA for a zone', async () => {
      const { json } = await probe.run(stats, { zone: 'US/Pacific' });
      expect(json.data).toEqual({ viewer: { stats: { timeZone: 'US/Pacific' } } });
    });

    // biome-ignore format: one long list
    const notTimes = [
      '2026-02-30T00:00:00Z', '2026-11-20T24:00:00Z', '2026-11-20T23:59:60Z', '2026-11-20T12:60:00Z',
      '2026-11-20T12:00:00', '2026-11-20T12:00Z', '2026-11-20', '2026-13-01T00:00:00Z', '2026-11-20T12:00:00+25:00',
      '2026-11-20T12:00:00+0100', '+275760-09-13T00:00:00Z', '275760-09-13T00:00:00Z', '-000001-01-01T00:00:00Z',
      '0000-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00', '2026-11-20 12:00:00Z', '2026-11-20T12:00:00,5Z',
      '2026-11-20T12:00:00Z\n', 'now', 'infinity', '', 1_795_000_000_000,
    ];
    it.each(shown(notTimes))('does not take %s for a time', async (_, time) => {
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
      ['6 minutes ahead', fromNow(6 * 60_000), 'IN_FUTURE', '5 minutes'],
      ['ten years ahead', fromNow(3653 * dayMs), 'IN_FUTURE', '5 minutes'],
      ['the end of 9999', () => '9999-12-31T23:59:59.999-14:00', 'IN_FUTURE', '5 minutes'],
    ];
    it.each(outside)('records nothing of %s and says which bound it passed', async (_, time, code, bound) => {
      const reply = await probe.run(record, { input: { name: 'x', occurredAt: time() } });
      expect(reply).toMatchObject({ status: 200, code });
      expect(reply.message).toContain(bound);
    });

    it('finds nothing where nothing can have happened', async () => {
      const { json } = await probe.run(list, { from: '9999-12-31T23:59:59-14:00' });
      expect(json.data).toEqual({ viewer: { pageViews: { totalCount: 0 } } });
      const sinceEver = await probe.run(list, { from: '0001-01-01T00:00:00Z', to: '1900-01-01T00:00:00Z' });
      expect(sinceEver.json.data).toEqual({ viewer: { pageViews: { totalCount: 0 } } });
    });

    it.each(['2026-11-19T12:00:00Z', '2026-11-20T12:00:00Z'])(
      'refuses a range from the 20th to %s',
      async (to) => {
        const reply = await probe.run(list, { from: '2026-11-20T12:00:00Z', to });
        expect(reply).toMatchObject({ code: 'BAD_USER_INPUT' });
      },
    );
  });
});

describe('what looks bad and is data', () => {
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
  it.each(shown(texts))('keeps the text %s to the letter', async (_, text) => {
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
    ['16 KB to the byte', `{"a":"${'x'.repeat(16_384 - 8)}"}`],
    ['numbers that are exact', '{"a":[9007199254740991,-0.5,1e-7,0]}'],
  ];
  it.each(objects)('keeps a JSON object with %s', async (_, json) => {
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

  it('leaves exactly the rows that the accepted requests explain', async () => {
    await vi.waitFor(async () => {
      expect(await rowCounts(probe.app.connectionString)).toEqual({
        _prisma_migrations: expect.any(Number),
        app_user: 2,
        counted_event: views,
        dead_letter: 0,
        event_log: isScaled ? 0 : notifications + views,
        idempotency_key: 0,
        inbox: 1,
        inbox_change: 0,
        inbox_opening: 0,
        log_head: 1,
        log_position: isScaled ? 0 : 2,
        notification: notifications,
        notification_preference: 0,
        outbox: 0,
        page_view: views,
        processed_event: notifications + views,
        user_activity: 0,
        // A minute or two, of one user.
        user_activity_member: expect.any(Number),
        user_activity_metrics: expect.any(Number),
        user_activity_type: expect.any(Number),
        version_floor: 0,
      });
    }, 10_000);
  });
});
