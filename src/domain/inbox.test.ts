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

/** What can happen to an inbox: an arrival, or an opening up to somewhere, sensible or not. */
const happening = fc.oneof(
  fc.constant('arrival' as const),
  fc.constant(undefined),
  fc.bigInt({ min: -3n, max: 30n }),
);

/** Lives through what happens, counting the rows as the store does; calls back after each. */
function live(
  happenings: readonly ('arrival' | undefined | bigint)[],
  after: (before: Inbox, inbox: Inbox) => void,
): void {
  let inbox = emptyInbox(key, now);
  for (const what of happenings) {
    const before = inbox;
    if (what === 'arrival') ({ inbox } = deliver(inbox, user, arrival, later, []));
    else {
      const openedSeq = watermarkAfterOpening(inbox, what);
      // Sequences are dense, so the rows above the watermark are these.
      inbox = open(inbox, openedSeq, Number(inbox.lastSeq - openedSeq), later);
    }
    after(before, inbox);
  }
}

const holds = (property: (before: Inbox, inbox: Inbox) => void) =>
  fc.assert(fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => live(happenings, property)));

describe('the watermark', () => {
  it('never moves back', () => {
    holds((before, inbox) => expect(inbox.openedSeq).toBeGreaterThanOrEqual(before.openedSeq));
  });

  it('never stands beyond what has arrived', () => {
    holds((_, inbox) => expect(inbox.openedSeq).toBeLessThanOrEqual(inbox.lastSeq));
  });

  it('stands at what was shown, or at everything when that is not said', () => {
    const inbox = { ...emptyInbox(key, now), lastSeq: 10n, openedSeq: 4n };
    expect(watermarkAfterOpening(inbox, undefined)).toBe(10n);
    expect(watermarkAfterOpening(inbox, 7n)).toBe(7n);
    expect(watermarkAfterOpening(inbox, 3n)).toBe(4n);
    expect(watermarkAfterOpening(inbox, 11n)).toBe(10n);
    expect(watermarkAfterOpening(inbox, -1n)).toBe(4n);
  });
});

describe('an inbox', () => {
  it('counts as unseen what arrived above the watermark', () => {
    holds((_, inbox) => expect(inbox.unseen).toBe(Number(inbox.lastSeq - inbox.openedSeq)));
  });

  it('has a version that never goes back and grows with every change of a count', () => {
    holds((before, inbox) => {
      expect(inbox.version).toBeGreaterThanOrEqual(before.version);
      const isChanged = inbox.unseen !== before.unseen || inbox.unread !== before.unread;
      expect(inbox.version > before.version).toBe(isChanged);
    });
  });

  it('gives arrivals the next place and keeps opening from touching what is unread', () => {
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

  it('is not touched by a notification its user cannot receive', () => {
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

  it('is reached by a critical notification of a locked category whatever its user chose', () => {
    const recipient = { ...user, canReceiveNotifications: false, disabledCategories: ['general'] };
    const critical = { ...arrival, severity: 'CRITICAL' } as const;
    const delivered = deliver(emptyInbox(key, now), recipient, critical, later, ['general']);
    expect(delivered.notification).toMatchObject({ status: 'DELIVERED', suppressedReason: null });
    expect(delivered.inbox.unseen).toBe(1);
  });

  it('is not touched by one that is still to come or whose time is over', () => {
    const inbox = emptyInbox(key, now);
    const coming = deliver(inbox, user, { ...arrival, scheduledFor: later }, now, []);
    expect(coming).toMatchObject({ inbox, notification: { status: 'SCHEDULED', seq: null } });
    const past = deliver(inbox, user, { ...arrival, expiresAt: now }, now, []);
    expect(past).toMatchObject({ inbox, notification: { status: 'EXPIRED', seq: null } });
    expect(deliver(inbox, user, { ...arrival, scheduledFor: now }, now, []).notification.status).toBe(
      'DELIVERED',
    );
  });

  it('has one that arrives again at the newest place, counted once however it stood before', () => {
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

  it('keeps its version and moment when opening changes no count', () => {
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

  it('is put right by opening when its count had drifted', () => {
    const drifted = { ...emptyInbox(key, now), lastSeq: 3n, unseen: 7, version: 9 };
    expect(open(drifted, 1n, 2, later)).toMatchObject({ unseen: 2, version: 10, updatedAt: later });
  });
});
