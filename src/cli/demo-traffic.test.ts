import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { withClient } from '../testing/postgres-server.ts';
import { demoSummary, runDemo, settledChecks } from './demo-traffic.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const limitThresholds = { DEPOSIT: [80, 100], SESSION: [80, 100] };

it('the demo sends traffic, and the server shows the numbers of this traffic', async () => {
  const token = await app.token({ role: 'service', subject: 'demo', tenantId: 'demo' });
  const parts: number[] = [];
  const demo = await runDemo(
    { url: app.url, token, users: 12, rate: 150, forMs: 2_000, limitThresholds },
    ({ part }) => {
      parts.push(part);
    },
  );
  expect(parts.at(-1)).toBe(1);
  expect(demo.events).toBe(300);
  const checks = await settledChecks(demo, { withinMs: 20_000 });
  expect(checks.length).toBeGreaterThanOrEqual(6);
  expect(checks.map(({ expected }) => expected).every((expected) => expected > 0)).toBe(true);
  expect(checks.map(({ found }) => found)).toEqual(checks.map(({ expected }) => expected));
  expect(demoSummary(demo, checks)).toMatch(/^300 events in \d+ sessions[\s\S]*as it should be$/);

  // Deletes page views to show that a check can fail.
  await withClient(app.connectionString, (client) =>
    client.query(`DELETE FROM page_view WHERE tenant_id = 'demo' AND user_id = 'visitor-1'`),
  );
  const wrong = await settledChecks(demo, { withinMs: 0 });
  expect(demoSummary(demo, wrong)).toMatch(/page views in the stats +\d+ {2}should be \d+/);
}, 60_000);

it('the demo rejects with the reason if the server refuses the token', async () => {
  const options = { url: app.url, users: 1, rate: 10, forMs: 1_000, limitThresholds };
  await expect(runDemo({ ...options, token: 'x' }, () => {})).rejects.toThrow();
  await expect(runDemo({ ...options, token: await app.token() }, () => {})).rejects.toThrow(
    'requires a token of role',
  );
});
