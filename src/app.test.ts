// @module-tag end-to-end
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from './testing/app.ts';

const watchBadge = 'subscription { badgeChanged { kind cause badge { key unseen unread version display } } }';
const send = `mutation ($input: SendNotificationInput!) {
  sendNotification(input: $input) { notificationId userErrors { code message path } }
}`;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('the live badge', () => {
  it('changes when a notification arrives and when the user opens the inbox', async () => {
    const alice = await app.token();
    const service = await app.token({ role: 'service', subject: 'shop' });
    await app.send(alice, '{ viewer { id } }');
    const updates: unknown[] = [];
    app
      .client(alice)
      .subscribe(
        { query: watchBadge },
        { next: ({ data }) => void updates.push(data?.['badgeChanged']), error() {}, complete() {} },
      );
    await vi.waitFor(() => expect(updates).toHaveLength(1));

    const sent = await app.send(service, send, { input: { userId: 'alice', content: { title: 'Hello' } } });
    expect(sent).toMatchObject({ status: 200, data: { sendNotification: { userErrors: [] } } });
    await vi.waitFor(() => expect(updates).toHaveLength(2));
    await app.send(alice, 'mutation { openInbox(input: {}) { badge { unseen } } }');
    await vi.waitFor(() => expect(updates).toHaveLength(3));

    const badge = { key: 'notifications', unread: 1 };
    expect(updates).toEqual([
      { kind: 'SNAPSHOT', cause: null, badge: { ...badge, unseen: 0, unread: 0, version: 0, display: '0' } },
      { kind: 'CHANGE', cause: 'ARRIVED', badge: { ...badge, unseen: 1, version: 1, display: '1' } },
      { kind: 'CHANGE', cause: 'OPENED', badge: { ...badge, unseen: 0, version: 2, display: '0' } },
    ]);
  });
});
