import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { draft } from '../testing/notification.ts';
import { arrive, badgeOf, deliver, emptyInbox, type Inbox, open, watermarkAfterOpening } from './inbox.ts';
import { userDefaults } from './user.ts';

const now = new Date('2026-11-20T09:00:00Z');
const later = new Date('2026-11-20T09:05:00Z');
const key = { tenantId: 'default', userId: 'alice' };
const user = { ...key, ...userDefaults, createdAt: now, disabledCategories: [] };
const arrival = draft(key, { createdAt: now });

/** A step that changes an inbox: an arrival, or an opening up to a number that may be invalid. */
const step = fc.oneof(
  fc.constant('arrival' as const),
  fc.constant(undefined),
  fc.bigInt({ min: -3n, max: 30n }),
);

/** Applies the steps to an inbox and counts its rows like the store. Calls `after` after each step. */
function live(
  steps: readonly ('arrival' | undefined | bigint)[],
  after: (before: Inbox, inbox: Inbox) => void,
): void {
  let inbox = emptyInbox(key, now);
  for (const step of steps) {
    const before = inbox;
    if (step === 'arrival') ({ inbox } = deliver(inbox, user, arrival, later, []));
    else {
      const openedSeq = watermarkAfterOpening(inbox, step);
      // Sequence numbers have no gaps, so the difference is the number of rows above the watermark.
      inbox = open(inbox, openedSeq, Number(inbox.lastSeq - openedSeq), later);
    }
    after(before, inbox);
  }
}

const holds = (property: (before: Inbox, inbox: Inbox) => void) =>
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => live(steps, property)));

describe('the watermark', () => {
  it('never moves back', () => {
    holds((before, inbox) => expect(inbox.openedSeq).toBeGreaterThanOrEqual(before.openedSeq));
  });

  it('never exceeds the last arrival', () => {
    holds((_, inbox) => expect(inbox.openedSeq).toBeLessThanOrEqual(inbox.lastSeq));
  });

  it('moves to the given sequence number, or to the last arrival if no number is given', () => {
    const inbox = { ...emptyInbox(key, now), lastSeq: 10n, openedSeq: 4n };
    expect(watermarkAfterOpening(inbox, undefined)).toBe(10n);
    expect(watermarkAfterOpening(inbox, 7n)).toBe(7n);
    expect(watermarkAfterOpening(inbox, 3n)).toBe(4n);
    expect(watermarkAfterOpening(inbox, 11n)).toBe(10n);
    expect(watermarkAfterOpening(inbox, -1n)).toBe(4n);
  });
});

describe('an inbox', () => {
  it('counts the arrivals above the watermark as unseen', () => {
    holds((_, inbox) => expect(inbox.unseen).toBe(Number(inbox.lastSeq - inbox.openedSeq)));
  });

  it('has a version that increases with every change of a count and never decreases', () => {
    holds((before, inbox) => {
      expect(inbox.version).toBeGreaterThanOrEqual(before.version);
      const isChanged = inbox.unseen !== before.unseen || inbox.unread !== before.unread;
      expect(inbox.version > before.version).toBe(isChanged);
    });
  });

  it('gives an arrival the next sequence number, and counts the arrival as unread after the inbox is opened', () => {
    const { inbox, notification } = deliver(emptyInbox(key, now), user, arrival, later, []);
    expect(notification).toMatchObject({
      ...key,
      id: arrival.id,
      seq: 1n,
      status: 'DELIVERED',
      createdAt: now,
    });
    expect(notification).toMatchObject({ deliveredAt: later, seenAt: null, title: 'Hello' });
    expect(open(inbox, 1n, 0, later)).toMatchObject({
      unseen: 0,
      unread: 1,
      version: 2,
      lastOpenedAt: later,
    });
  });

  it('does not change if the user has opted out of the notification', () => {
    const inbox = emptyInbox(key, now);
    const delivered = deliver(inbox, { ...user, canReceiveNotifications: false }, arrival, later, []);
    expect(delivered.inbox).toBe(inbox);
    expect(delivered.notification).toMatchObject({
      status: 'SUPPRESSED',
      seq: null,
      deliveredAt: null,
      suppressedReason: 'The user receives no notifications.',
    });
  });

  it('receives a critical notification of a locked category even if the user has opted out', () => {
    const recipient = { ...user, canReceiveNotifications: false, disabledCategories: ['general'] };
    const critical = { ...arrival, severity: 'CRITICAL' } as const;
    const delivered = deliver(emptyInbox(key, now), recipient, critical, later, ['general']);
    expect(delivered.notification).toMatchObject({ status: 'DELIVERED', suppressedReason: null });
    expect(delivered.inbox.unseen).toBe(1);
  });

  it('does not change if the notification is scheduled or expired', () => {
    const inbox = emptyInbox(key, now);
    const coming = deliver(inbox, user, { ...arrival, scheduledFor: later }, now, []);
    expect(coming).toMatchObject({ inbox, notification: { status: 'SCHEDULED', seq: null } });
    const past = deliver(inbox, user, { ...arrival, expiresAt: now }, now, []);
    expect(past).toMatchObject({ inbox, notification: { status: 'EXPIRED', seq: null } });
    expect(deliver(inbox, user, { ...arrival, scheduledFor: now }, now, []).notification.status).toBe(
      'DELIVERED',
    );
  });

  it('moves a notification that arrives again to the top of the list, and counts the notification once', () => {
    const first = deliver(emptyInbox(key, now), user, arrival, now, []);
    const again = arrive(first.inbox, first.notification, later);
    expect(again).toMatchObject({ inbox: { unseen: 1, unread: 1, lastSeq: 2n }, notification: { seq: 2n } });
    const snoozed = { ...first.notification, readAt: now, seenAt: now, snoozedUntil: later };
    const back = arrive({ ...first.inbox, unseen: 0, unread: 0 }, snoozed, later);
    expect(back).toMatchObject({
      inbox: { unseen: 1, unread: 1 },
      notification: { snoozedUntil: null, readAt: null, seenAt: null },
    });
  });

  it('keeps its version and `updatedAt` if opening changes no count', () => {
    const opened = open(emptyInbox(key, now), 0n, 0, later);
    expect(opened).toMatchObject({ version: 0, updatedAt: now, lastOpenedAt: later });
    expect(badgeOf(opened)).toEqual({
      ...key,
      key: 'notifications',
      unseen: 0,
      unread: 0,
      version: 0,
      asOf: now,
    });
  });

  it('corrects a wrong count when it is opened', () => {
    const drifted = { ...emptyInbox(key, now), lastSeq: 3n, unseen: 7, version: 9 };
    expect(open(drifted, 1n, 2, later)).toMatchObject({ unseen: 2, version: 10, updatedAt: later });
  });
});
