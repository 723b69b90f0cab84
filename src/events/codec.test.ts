import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { wireLimitEvent } from '../testing/limit.ts';
import { decode, encode } from './codec.ts';
import type { Event } from './event.ts';
import { ingestLimitEvent } from './limit-event.ts';
import type { InboundRecord } from './record.ts';
import { topics } from './topic.ts';

const event: Event = {
  id: '0197a000-0000-7000-8000-000000000001',
  source: 'api',
  type: 'pageViewed',
  tenantId: 'default',
  userId: 'alice',
  occurredAt: new Date('2026-11-20T09:00:00.123Z'),
  data: { name: 'Pricing' },
  schemaVersion: 1,
};
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const without = (key: keyof Event) => ({ ...event, [key]: undefined });
const appendedAt = new Date('2026-11-20T10:00:00.000Z');

const recordOf = (value: Uint8Array | null, fields: Partial<InboundRecord> = {}): InboundRecord => ({
  topic: topics.userActivity,
  partition: 2,
  offset: 41n,
  key: 'default/alice',
  value,
  headers: {},
  appendedAt,
  ...fields,
});
const read = (value: unknown, fields?: Partial<InboundRecord>) => decode(recordOf(bytes(value), fields));
/** Decodes a record that must contain an event, and returns the event. */
const eventOf = (value: unknown, fields?: Partial<InboundRecord>) => {
  const decoded = read(value, fields);
  if (decoded.kind !== 'event') throw new Error(JSON.stringify(decoded));
  return decoded.event;
};

describe('the envelope', () => {
  it('is the same after it is encoded and decoded', () => {
    expect(read(encode(event))).toEqual({ kind: 'event', event });
  });

  it('does not make `decode` throw if its data is deeply nested', () => {
    const data = `{"title":"x","data":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    const sent = JSON.stringify({ ...event, type: 'notificationSent', data: 0 }).replace(
      '"data":0',
      `"data":${data}`,
    );
    expect(read(sent)).toMatchObject({ kind: 'unreadable', reason: expect.stringContaining('data.data: ') });
  });

  it('may have unknown fields', () => {
    const value = { ...event, shoeSize: 43, data: { name: 'Pricing', colour: 'red' } };
    expect(read(value)).toEqual({ kind: 'event', event });
  });

  it('with a newer schema version waits for a newer worker', () => {
    expect(read({ ...event, schemaVersion: 2 })).toEqual({
      kind: 'newer',
      type: 'pageViewed',
      schemaVersion: 2,
    });
  });

  it.each([
    ['empty bytes', Buffer.alloc(0), 'not JSON'],
    ['text that is not JSON', bytes('{'), 'not JSON'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe]), 'not UTF-8'],
    ['an array', bytes([]), 'must be a JSON object'],
    ['null in JSON', bytes('null'), 'must be a JSON object'],
    ['no user', bytes(without('userId')), 'userId: is missing'],
    ['no data', bytes(without('data')), 'data: is missing'],
    ['an empty user', bytes({ ...event, userId: '' }), 'userId: '],
    ['a wrong type of user', bytes({ ...event, userId: 7 }), 'userId: '],
    ['an unknown type', bytes({ ...event, type: 'constructor' }), 'type: '],
    ['a tenant with a slash', bytes({ ...event, tenantId: 'a/b' }), 'tenantId: '],
    ['a date that does not exist', bytes({ ...event, occurredAt: '2026-02-30T00:00:00Z' }), 'occurredAt: '],
    ['a date without a zone', bytes({ ...event, occurredAt: '2026-02-20T00:00:00' }), 'occurredAt: '],
    ['no name', bytes({ ...event, data: {} }), 'data.name: is missing'],
    ['U+0000 in a name', bytes({ ...event, data: { name: 'a\0b' } }), 'data.name: '],
    ['a lone surrogate', bytes(JSON.stringify({ ...event, data: { name: '\ud800' } })), 'data.name: '],
  ])('with %s is unreadable, and the reason says where', (_, value, reason) => {
    expect(decode(recordOf(value))).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringContaining(reason),
    });
  });

  it('may begin with a byte order mark', () => {
    expect(read(`\ufeff${encode(event)}`)).toMatchObject({ kind: 'event' });
  });
});

describe('a record', () => {
  it('without a value is empty', () => {
    expect(decode(recordOf(null))).toEqual({ kind: 'empty' });
  });

  it('of an unknown topic is ignored', () => {
    const topic = 'constructor';
    expect(read(encode(event), { topic })).toEqual({ kind: 'ignored', what: 'other topic' });
  });

  it('does not make `decode` throw, and its content is never quoted in a reason', () => {
    const secret = 'se' + 'cret';
    const text = fc.oneof(fc.string(), fc.constant(secret), fc.constant('2026-11-20T09:00:00Z'));
    const names = [
      ...['user_id', 'userId', 'name', 'page', 'path', 'timestamp', 'activity_type', 'event_id', 'subjectId'],
      ...['notificationId', 'title', 'body', 'content', 'data', 'severity', 'actionUrl', 'scheduledFor'],
      ...['type', 'source', 'schemaVersion', 'tenantId', 'occurredAt', 'id', 'collection', 'item_id'],
      ...['__proto__', 'constructor', 'toString'],
    ];
    const field = fc.oneof(text, fc.jsonValue(), fc.integer());
    const value = fc.oneof(
      fc.dictionary(fc.constantFrom(...names), field).map((object) => bytes(JSON.stringify(object))),
      fc.json().map((json) => bytes(json)),
      fc.uint8Array().map((array) => Buffer.from(array)),
    );
    const topic = fc.constantFrom(...Object.values(topics), 'other');
    const key = fc.option(fc.oneof(text, fc.constant('acme/alice')));
    fc.assert(
      fc.property(value, topic, key, (value, topic, key) => {
        const decoded = decode(recordOf(value, { topic, key }));
        if (decoded.kind === 'unreadable') expect(decoded.reason).not.toContain(secret);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a topic that only Unseen writes', () => {
  const topic = 'points-earned';
  /** The `decode` of a program with this additional topic. */
  async function withTopic(): Promise<typeof decode> {
    vi.doMock('./topic.ts', () => ({ topics: { ...topics, points: topic } }));
    vi.resetModules();
    return (await import('./codec.ts')).decode;
  }
  afterEach(() => {
    vi.doUnmock('./topic.ts');
    vi.resetModules();
  });

  it('has readable events, and a record without an event is reported', async () => {
    const decode = await withTopic();
    expect(decode(recordOf(bytes(encode(event)), { topic }))).toEqual({ kind: 'event', event });
    expect(decode(recordOf(null, { topic }))).toEqual({ kind: 'empty' });
    expect(decode(recordOf(bytes({ points: 5 }), { topic }))).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringMatching(/^id: is missing; .*; tenantId: is missing/),
    });
    expect(decode(recordOf(bytes(encode(event)), { topic: 'other' }))).toMatchObject({ kind: 'ignored' });
  });
});

describe('an activity record of another system', () => {
  const plain = { user_id: '019mr8mf4r', name: 'Pricing Page', timestamp: '2012-12-02T00:30:12.984Z' };
  const view = {
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5/),
    source: topics.userActivity,
    type: 'pageViewed',
    tenantId: 'default',
    userId: '019mr8mf4r',
    occurredAt: new Date('2012-12-02T00:30:12.984Z'),
    data: { name: 'Pricing Page' },
    schemaVersion: 1,
  };

  it.each([
    ['only the required fields', plain, {}],
    ['camelCase', { userId: '019mr8mf4r', page: 'Pricing Page', timestamp: plain.timestamp }, {}],
    ['its type', { ...plain, activity_type: 'page_view' }, {}],
    ['its type in camelCase', { ...plain, activityType: 'page_view' }, {}],
    ['an id', { ...plain, event_id: 'e-1' }, { id: 'e-1' }],
    ['an id in camelCase', { ...plain, eventId: 'e-1' }, { id: 'e-1' }],
    [
      'a path and a subject',
      { ...plain, path: '/pricing', subject_id: 's' },
      { data: { name: 'Pricing Page', path: '/pricing', subjectId: 's' } },
    ],
    [
      'a subject in camelCase',
      { ...plain, subjectId: 's' },
      { data: { name: 'Pricing Page', subjectId: 's' } },
    ],
    [
      'nulls for what is absent',
      { ...plain, activity_type: null, event_id: null, path: null, collection: null, userId: null },
      {},
    ],
    ['unknown fields', { ...plain, browser: { name: 'x' }, schemaVersion: 9, type: 'hit' }, {}],
    ['an offset in its time', { ...plain, timestamp: '2012-12-02T02:30:12.984+02:00' }, {}],
  ])('with %s is a page view', (_, value, expected) => {
    expect(eventOf(value)).toEqual({ ...view, ...expected });
  });

  it('without an id gets its id from its place in the log, so another place means another event', () => {
    const { id } = eventOf(plain);
    expect(eventOf({ ...plain, more: 1 }).id).toBe(id);
    const elsewhere = [{ offset: 42n }, { partition: 1 }].map((place) => eventOf(plain, place).id);
    expect(new Set([id, ...elsewhere]).size).toBe(3);
  });

  it('without an id keeps the id of its first place after a retry', () => {
    const headers = {
      'unseen-origin-topic': topics.userActivity,
      'unseen-origin-partition': '2',
      'unseen-origin-offset': '41',
    };
    expect(eventOf(plain, { partition: 5, offset: 99n, headers }).id).toBe(eventOf(plain).id);
  });

  it.each([
    ['acme/019mr8mf4r', 'acme'],
    ['acme/somebody', 'default'],
    ['019mr8mf4r', 'default'],
    ['/019mr8mf4r', 'default'],
    ['a b/019mr8mf4r', 'default'],
    ['', 'default'],
    [null, 'default'],
  ])('with the key %j is of tenant %s', (key, tenantId) => {
    expect(eventOf(plain, { key })).toMatchObject({ tenantId });
  });

  it('may have a user id with a slash, because the tenant ends at the first slash of the key', () => {
    expect(eventOf({ ...plain, user_id: 'a/b' }, { key: 'acme/a/b' })).toMatchObject({
      tenantId: 'acme',
      userId: 'a/b',
    });
  });

  it.each([
    ['another type', { ...plain, activity_type: 'Add to cart' }, 'Add to cart'],
    [
      'another type without a name, in camelCase',
      { user_id: 'u', timestamp: plain.timestamp, activityType: 'login' },
      'login',
    ],
  ])('of %s is an activity', (_, value, activityType) => {
    expect(eventOf(value)).toEqual({
      ...view,
      userId: value.user_id,
      type: 'activityRecorded',
      data: { activityType },
    });
  });

  it.each([
    ['snake_case', { ...plain, collection: 'news', item_id: '7', event_id: 'e-1' }],
    [
      'camelCase and another type',
      { ...plain, activityType: 'read', collection: 'news', itemId: '7', eventId: 'e-1' },
    ],
    [
      'only the required fields',
      {
        user_id: plain.user_id,
        timestamp: plain.timestamp,
        collection: 'news',
        item_id: '7',
        event_id: 'e-1',
      },
    ],
  ])('of an item, with %s, is an item view', (_, value) => {
    const data = { collection: 'news', itemIds: ['7'] };
    expect(eventOf(value)).toEqual({ ...view, id: 'e-1', type: 'itemViewed', data });
  });

  it.each([
    ['no user', { ...plain, user_id: undefined }, 'userId: is missing'],
    ['an invalid collection', { ...plain, collection: 'a b', item_id: '7' }, 'collection: '],
    ['a number for an item', { ...plain, collection: 'news', item_id: 7 }, 'itemIds.0: '],
    ['a number for a user', { ...plain, user_id: 7 }, 'userId: '],
    ['no time', { ...plain, timestamp: undefined }, 'timestamp: is missing'],
    ['a time without a zone', { ...plain, timestamp: '2026-11-20T09:00:00' }, 'timestamp: '],
    ['a day that does not exist', { ...plain, timestamp: '2026-02-30T09:00:00Z' }, 'timestamp: '],
    ['no name', { ...plain, name: undefined }, 'name: is missing'],
    ['a name of 501 characters', { ...plain, name: 'x'.repeat(501) }, 'name: '],
    ['an empty id', { ...plain, event_id: '' }, 'eventId: '],
    ['a number for a type', { ...plain, activity_type: 1 }, 'activityType: '],
    ['a type of 10 000 characters', { ...plain, activity_type: 'x'.repeat(10_000) }, 'activityType: '],
  ])('with %s is unreadable, and the reason says where', (_, value, reason) => {
    expect(read(value)).toMatchObject({ kind: 'unreadable', reason: expect.stringContaining(reason) });
  });

  it('that is unreadable has its tenant if the tenant is known', () => {
    expect(read({ ...plain, name: 1 }, { key: 'acme/019mr8mf4r' })).toMatchObject({ tenantId: 'acme' });
  });
});

describe('a notification command of another system', () => {
  const topic = topics.notificationCommand;
  const plain = { userId: 'alice', title: 'Hello' };
  const data = { category: 'general', severity: 'NORMAL', title: 'Hello' };

  it('has its own id, and the time at which its record was appended', () => {
    const value = {
      ...plain,
      notificationId: 'n-1',
      category: 'offers',
      severity: 'HIGH',
      body: 'World',
      data: { a: 1 },
      actionUrl: '/offers',
      subjectId: 's',
      scheduledFor: null,
    };
    expect(eventOf(value, { topic, key: 'acme/alice' })).toEqual({
      id: 'n-1',
      source: topic,
      type: 'notificationSent',
      tenantId: 'acme',
      userId: 'alice',
      occurredAt: appendedAt,
      schemaVersion: 1,
      data: expect.objectContaining({
        category: 'offers',
        severity: 'HIGH',
        title: 'Hello',
        body: 'World',
        data: { a: 1 },
        actionUrl: '/offers',
        subjectId: 's',
      }),
    });
  });

  it.each([
    ['only the required fields', plain, data],
    ['nulls', { ...plain, body: null, data: null, category: null, severity: null }, data],
    ['a line of text', { userId: 'alice', content: 'Hello' }, data],
    ['lines of text', { userId: 'alice', content: '\nHello\nWorld' }, { ...data, body: 'Hello\nWorld' }],
    ['text beside a title', { ...plain, content: 'World' }, { ...data, body: 'World' }],
    [
      'an object',
      { userId: 'alice', content: { title: 'Hello', body: 'World', a: 1 } },
      { ...data, body: 'World', data: { title: 'Hello', body: 'World', a: 1 } },
    ],
    [
      'an object in text',
      { userId: 'alice', content: '{"title":"Hello","a":1}' },
      { ...data, data: { title: 'Hello', a: 1 } },
    ],
    [
      'an object beside everything',
      { ...plain, body: 'Mine', data: { b: 2 }, content: { title: 'Other', body: 'Other' } },
      { ...data, body: 'Mine', data: { b: 2 } },
    ],
    [
      'an object without a title',
      { userId: 'alice', content: { a: 1 } },
      { ...data, title: 'Notification', data: { a: 1 } },
    ],
    [
      'other JSON',
      { userId: 'alice', content: [1, 2] },
      { ...data, title: 'Notification', data: { content: [1, 2] } },
    ],
    ['text that begins like JSON', { userId: 'alice', content: '{Hello' }, { ...data, title: '{Hello' }],
  ])('with %s is read', (_, value, expected) => {
    expect(eventOf(value, { topic }).data).toEqual(expected);
  });

  it('has the beginning of a long text as its title, and no character is cut in half', () => {
    const content = `${'x'.repeat(199)}😀 and so on`;
    expect(eventOf({ userId: 'alice', content }, { topic }).data).toMatchObject({
      title: 'x'.repeat(199),
      body: content,
    });
  });

  it('without an id gets its id from its place in the log', () => {
    expect(eventOf(plain, { topic }).id).toBe(eventOf(plain, { topic }).id);
    expect(eventOf(plain, { topic }).id).not.toBe(eventOf(plain, { topic, offset: 42n }).id);
  });

  it.each([
    ['no user', { title: 'Hello' }, 'userId: is missing'],
    ['neither title nor content', { userId: 'alice' }, 'title: is missing'],
    ['an unknown severity', { ...plain, severity: 'LOUD' }, 'severity: '],
    ['a script as its action', { ...plain, actionUrl: 'javascript:alert(1)' }, 'actionUrl: '],
    ['too much text', { userId: 'alice', content: 'x '.repeat(3_000) }, 'body: '],
    ['a list for data', { ...plain, data: [] }, 'data: '],
  ])('with %s is unreadable, and the reason says where', (_, value, reason) => {
    expect(read(value, { topic })).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringContaining(reason),
    });
  });
});

describe('a limit event of another system', () => {
  const topic = topics.userLimits;
  const wire = (payload = {}, fields = {}) => wireLimitEvent('USER_LIMIT_RESET', 3, payload, fields);
  const ours = { ...event, type: 'userLimitReset', data: wire()['payload'] };
  const outcomes = {
    event: 'ACCEPTED',
    ignored: 'IGNORED_TYPE',
    unreadable: 'INVALID',
    newer: 'INVALID',
    empty: '',
  };

  it.each([
    ['valid fields', wire(), 'event', ''],
    ['a schema version of its own', wire({}, { schemaVersion: 2 }), 'event', ''],
    ['`data` for its payload', { ...wire(), payload: null, data: wire()['payload'] }, 'event', ''],
    ['another type', wire({}, { type: 'USER_LIMIT_CHANGE_SOURCE_ADDED', schemaVersion: 2 }), 'ignored', ''],
    [
      'bytes of latin1',
      Buffer.from(JSON.stringify(wire({ brandId: 'zoë' })), 'latin1'),
      'unreadable',
      'not UTF-8',
    ],
    ['half of its text', JSON.stringify(wire()).slice(0, 50), 'unreadable', 'not JSON'],
    ['a list around it', [wire()], 'unreadable', 'must be a JSON object'],
    ['no brand', wire({ brandId: undefined }), 'unreadable', 'payload.brandId: is missing'],
    ['null for its brand', wire({ brandId: null }), 'unreadable', 'payload.brandId: is missing'],
    ['no amount', wire({ resetAmount: undefined }), 'unreadable', 'payload.resetAmount: is missing'],
    [
      'no brand in its data',
      { ...wire(), payload: null, data: wire({ brandId: undefined })['payload'] },
      'unreadable',
      'data.brandId: is missing',
    ],
    [
      'no sequence number',
      wire({}, { sequenceNumber: undefined }),
      'unreadable',
      'sequenceNumber: is missing',
    ],
    ['no time', wire({}, { createdAt: undefined }), 'unreadable', 'createdAt: is missing'],
    ['no payload', wire({}, { payload: undefined }), 'unreadable', 'payload or data: is missing'],
    ['text for its payload', wire({}, { payload: 'x' }), 'unreadable', 'payload: must be a JSON object'],
    ['no type', wire({}, { type: undefined }), 'unreadable', 'type: is missing'],
    ['an envelope of Unseen around it', { ...ours, data: {} }, 'unreadable', ''],
    ['an envelope of a newer worker', { ...ours, schemaVersion: 9 }, 'newer', ''],
  ] as const)('with %s has the same outcome in the API and in a worker', (_, value, kind, reason) => {
    const given = value instanceof Buffer ? value : bytes(value);
    const decoded = decode(recordOf(given, { topic }));
    expect(decoded).toMatchObject({ kind, ...(reason !== '' && { reason }) });
    const ingested = ingestLimitEvent('acme', given, new Date('2026-12-01T00:00:00Z'));
    expect(ingested).toMatchObject({ outcome: outcomes[kind], ...(reason !== '' && { message: reason }) });
  });

  it('is refused by the API in an envelope of Unseen, because the envelope could name any tenant', () => {
    const foreign = { ...event, tenantId: 'another' };
    expect(decode(recordOf(bytes(foreign), { topic }))).toMatchObject({ kind: 'event' });
    expect(ingestLimitEvent('acme', bytes(foreign), appendedAt)).toMatchObject({
      outcome: 'INVALID',
      message: expect.stringContaining('envelope'),
    });
  });
});
