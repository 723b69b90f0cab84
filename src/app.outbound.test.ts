// @module-tag end-to-end
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { notificationCreatedTopic } from './events/topic.ts';
import { startTestApp, type TestApp } from './testing/app.ts';

const apps: TestApp[] = [];
let app: TestApp;
beforeAll(async () => {
  app = await start();
});
afterAll(() => Promise.all(apps.map((one) => one.stop())));

async function start(env: Record<string, string> = {}): Promise<TestApp> {
  const started = await startTestApp(env);
  apps.push(started);
  const alice = await started.token();
  await started.send(alice, '{ viewer { id } }');
  return started;
}

const send = `mutation ($input: SendNotificationInput!) {
  sendNotification(input: $input) { notificationId userErrors { code } } }`;

/** Sends notifications to alice. Resolves when her badge has this number of unseen notifications. */
async function notifyAlice(to: TestApp, contents: readonly object[], unseen: number): Promise<void> {
  const service = await to.token({ role: 'service', subject: 'shop' });
  const alice = await to.token();
  for (const input of contents) {
    const answer = await to.send(service, send, { input: { userId: 'alice', ...input } });
    expect(answer).toMatchObject({ data: { sendNotification: { userErrors: [] } } });
  }
  await vi.waitFor(async () => {
    const { data } = await to.send(alice, '{ viewer { badge { unseen } } }');
    expect(data).toEqual({ viewer: { badge: { unseen } } });
  });
}

it('other systems get each delivered notification in order through their own consumer group', async () => {
  const heard: { id: string; data: { notification: { title: string } } }[] = [];
  const { log, outbox } = app.runtime.backends;
  await log.consume('sender-of-e-mails', [notificationCreatedTopic], async (records) => {
    for (const { key, value } of records) {
      expect(key).toBe('default/alice');
      heard.push(JSON.parse(Buffer.from(value ?? []).toString()));
    }
  });
  const at = new Date(Date.now() + 300).toISOString();
  await notifyAlice(
    app,
    [
      { content: { title: 'One' }, idempotencyKey: 'one' },
      { content: { title: 'One' }, idempotencyKey: 'one' },
      { content: { title: 'Two' } },
      { content: { title: 'Later' }, scheduledFor: at },
    ],
    3,
  );
  await vi.waitFor(() => expect(heard).toHaveLength(3));
  expect(heard.map(({ data }) => data.notification.title)).toEqual(['One', 'Two', 'Later']);
  expect(new Set(heard.map(({ id }) => id)).size).toBe(3);
  expect(await outbox.depth()).toBe(0);
});

it('the program writes no record for other systems if ANNOUNCE_DELIVERIES=off is set', async () => {
  const quiet = await start({ ANNOUNCE_DELIVERIES: 'off' });
  const { outbox, log } = quiet.runtime.backends;
  // The relay may already have moved a record from the outbox to the log, so the test watches both.
  const sends = vi.spyOn(log, 'send');
  await notifyAlice(quiet, [{ content: { title: 'One' } }], 1);
  expect(await outbox.depth()).toBe(0);
  expect(sends).not.toHaveBeenCalled();
});
