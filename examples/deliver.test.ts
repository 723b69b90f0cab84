// @module-tag end-to-end
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import type { EventLog } from '../src/ports/event-log.ts';
import { startTestApp, type TestApp } from '../src/testing/app.ts';
import { patience } from '../src/testing/program.ts';

/** A log that sends every record twice, like a relay that dies after each send and repeats the send. */
const sendingTwice = (log: EventLog): EventLog => ({
  ...log,
  async send(records) {
    await log.send(records);
    await log.send(records);
  },
});

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp(
    { KAFKA_TOPICS: 'user-notification-created=delivered' },
    {
      wrap: ({ backends, ...runtime }) => ({
        ...runtime,
        backends: { ...backends, log: sendingTwice(backends.log) },
      }),
    },
  );
});
afterAll(() => app.stop());

it('prints one line for each notification although each record arrives twice', async () => {
  const { kafka } = app.config;
  const example = spawn(process.execPath, ['--import', 'tsx', 'examples/deliver.ts'], {
    env: {
      PATH: process.env['PATH'],
      KAFKA_BROKERS: kafka?.brokers.join(','),
      TOPIC: `${kafka?.namespace}delivered`,
      GROUP: `${kafka?.namespace}example`,
    },
  });
  onTestFinished(() => void example.kill('SIGKILL'));
  let lines: readonly string[] = [];
  let output = '';
  example.stdout.on('data', (chunk) => {
    output += chunk;
    lines = output.trimEnd().split('\n');
  });
  const ended = once(example, 'close');

  const service = await app.token({ role: 'service', subject: 'shop' });
  const upsert =
    'mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: { users: $users }) { createdCount } }';
  await app.send(service, upsert, { users: [{ userId: 'alice', patch: { timeZone: 'Asia/Tokyo' } }] });
  const send =
    'mutation ($input: SendNotificationInput!) { sendNotification(input: $input) { userErrors { code } } }';
  const notify = async (content: object) => {
    const answer = await app.send(service, send, { input: { userId: 'alice', content } });
    expect(answer).toMatchObject({ data: { sendNotification: { userErrors: [] } } });
  };
  await notify({ title: 'Shipped', body: 'Two\nparcels', actionUrl: '/orders/1' });
  await notify({ title: 'Last call', severity: 'HIGH' });
  await notify({ title: 'New login', severity: 'CRITICAL' });
  await vi.waitFor(() => expect(lines).toHaveLength(3), patience);
  // Records of one user keep their order, so no repeated record can arrive after this record.
  await notify({ title: 'The end' });
  await vi.waitFor(() => expect(lines.at(-1)).toContain('The end'), patience);

  const at = /at \d\d:\d\d:\d\d Asia\/Tokyo/g;
  expect(lines.map((line) => line.replace(at, 'at …'))).toEqual([
    'e-mail to default/alice at …: Shipped | Two parcels | /orders/1',
    'push (badge 2) to default/alice at …: Last call',
    'SMS to default/alice at …: New login',
    'e-mail to default/alice at …: The end',
  ]);
  example.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});
