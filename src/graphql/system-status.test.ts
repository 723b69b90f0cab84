import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { AppError } from '../domain/error.ts';
import { topics } from '../events/topic.ts';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { pageViewed } from '../testing/event.ts';
import { version } from '../version.ts';

let app: TestApp;
let admin: string;
beforeAll(async () => {
  app = await startTestApp();
  admin = await app.token({ role: 'admin', subject: 'root' });
});
afterAll(() => app.stop());

async function status(): Promise<Record<string, unknown>> {
  const { data, errors } = await app.send(
    admin,
    `{ systemStatus { version store log pubSub consumerLag outboxDepth deadLetterCount openSockets watchedUsers
       badgeDrift sweptAt } }`,
  );
  expect(errors).toBeUndefined();
  return (data as { systemStatus: Record<string, unknown> } | null)?.systemStatus ?? {};
}

it('systemStatus shows the backends and the same figures as /metrics', async () => {
  const isSwept = async () => expect(await status()).toMatchObject({ sweptAt: expect.any(String) });
  await vi.waitFor(isSwept, { timeout: 20_000 });
  expect(await status()).toEqual({
    version,
    store: expect.stringMatching(/^PostgreSQL \d+\.\d+$/),
    log: 'PostgreSQL',
    pubSub: 'in process',
    consumerLag: '0',
    outboxDepth: 0,
    deadLetterCount: 0,
    openSockets: 0,
    watchedUsers: 0,
    badgeDrift: 0,
    sweptAt: expect.stringMatching(/^\d{4}-.*Z$/),
  });

  const { log } = app.runtime.backends;
  await log.send([{ topic: topics.userActivity, key: null, value: Buffer.from('{ not json') }]);
  await vi.waitFor(
    async () =>
      expect(await status()).toMatchObject({ deadLetterCount: 1, outboxDepth: 0, consumerLag: '0' }),
    { timeout: 20_000 },
  );
  const subscriptions = ['alice', 'alice', 'bob'].map(async (subject) =>
    app
      .client(await app.token({ subject }))
      .iterate({ query: 'subscription { badgeChanged { kind } }' })
      .next(),
  );
  await Promise.all(subscriptions);
  expect(await status()).toMatchObject({ openSockets: 3, watchedUsers: 2 });

  // From here on, no worker applies records.
  await log.close();
  await log.append([pageViewed()]);
  expect(await status()).toMatchObject({ consumerLag: '1' });

  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  expect(metrics).toMatch(/^unseen_log_lag_records 1$/m);
  expect(metrics).toMatch(/^unseen_outbox_records 0$/m);
  for (const kind of ['pageViews', 'notifications', 'log', 'partitions'])
    expect(metrics).toMatch(
      new RegExp(`^unseen_sweep_last_success_timestamp_seconds\\{kind="${kind}"\\} \\d{10}`, 'm'),
    );
  for (const job of ['schedule', 'relay'])
    expect(metrics).toMatch(
      new RegExp(`^unseen_job_last_success_timestamp_seconds\\{job="${job}"\\} \\d{10}`, 'm'),
    );
  expect(metrics).toMatch(/^unseen_dead_letters 1$/m);
  expect(metrics).toMatch(/^unseen_sockets 3$/m);
});

it('systemStatus answers if the query leaves out the fields of an unavailable backend', async () => {
  const away = await startTestApp(
    {},
    {
      wrap: (runtime) => {
        const depth = () => Promise.reject(new AppError('UNAVAILABLE'));
        const { backends } = runtime;
        return { ...runtime, backends: { ...backends, outbox: { ...backends.outbox, depth } } };
      },
    },
  );
  try {
    const { data } = await away.send(admin, '{ systemStatus { version deadLetterCount } }');
    expect(data).toEqual({ systemStatus: { version, deadLetterCount: 0 } });
    const { errors } = await away.send(admin, '{ systemStatus { version outboxDepth } }');
    expect(errors).toMatchObject([{ extensions: { code: 'UNAVAILABLE' } }]);
  } finally {
    await away.stop();
  }
});
