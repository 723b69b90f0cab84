import { describe, expect, it } from 'vitest';
import { decode, type Event, encode } from './codec.ts';

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

describe('codec', () => {
  it('reads back what it wrote', () => {
    expect(decode(bytes(encode(event)))).toEqual({ kind: 'event', event });
  });

  it('never throws, however deep an attachment is nested', () => {
    const data = `{"title":"x","data":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    const sent = JSON.stringify({ ...event, type: 'notificationSent', data: 0 }).replace(
      '"data":0',
      `"data":${data}`,
    );
    expect(decode(bytes(sent))).toMatchObject({
      kind: 'unreadable',
      reason: expect.stringContaining('data.data: '),
    });
  });

  it('ignores fields it does not know', () => {
    expect(decode(bytes({ ...event, shoeSize: 43, data: { name: 'Pricing', colour: 'red' } }))).toEqual({
      kind: 'event',
      event,
    });
  });

  it('treats a null value as empty', () => {
    expect(decode(null)).toEqual({ kind: 'empty' });
  });

  it('keeps an event of a newer schema for a newer worker', () => {
    expect(decode(bytes({ ...event, schemaVersion: 2 }))).toEqual({
      kind: 'newer',
      type: 'pageViewed',
      schemaVersion: 2,
    });
  });

  it.each([
    ['empty bytes', Buffer.alloc(0), 'not JSON'],
    ['text that is not JSON', bytes('{'), 'not JSON'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe]), 'not UTF-8'],
    ['an array', bytes([]), 'value: '],
    ['null in JSON', bytes('null'), 'value: '],
    ['no user', bytes(without('userId')), 'userId: '],
    ['an empty user', bytes({ ...event, userId: '' }), 'userId: '],
    ['a wrong type of user', bytes({ ...event, userId: 7 }), 'userId: '],
    ['an unknown type', bytes({ ...event, type: 'constructor' }), 'type: '],
    ['a tenant with a slash', bytes({ ...event, tenantId: 'a/b' }), 'tenantId: '],
    ['a date that does not exist', bytes({ ...event, occurredAt: '2026-02-30T00:00:00Z' }), 'occurredAt: '],
    ['a date without a zone', bytes({ ...event, occurredAt: '2026-02-20T00:00:00' }), 'occurredAt: '],
    ['no name', bytes({ ...event, data: {} }), 'data.name: '],
    ['U+0000 in a name', bytes({ ...event, data: { name: 'a\0b' } }), 'data.name: '],
    ['a lone surrogate', bytes(JSON.stringify({ ...event, data: { name: '\ud800' } })), 'data.name: '],
  ])('calls %s unreadable and says where', (_, value, reason) => {
    expect(decode(value)).toMatchObject({ kind: 'unreadable', reason: expect.stringContaining(reason) });
  });

  it('does not quote the content in the reason', () => {
    const decoded = decode(bytes({ ...event, data: { name: 'secret'.repeat(200) } }));
    expect(JSON.stringify(decoded)).not.toContain('secret');
  });

  it('reads a byte order mark as part of UTF-8', () => {
    expect(decode(bytes(`\ufeff${encode(event)}`))).toMatchObject({ kind: 'event' });
  });
});
