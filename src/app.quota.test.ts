import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from './testing/app.ts';
import { wireLimitEvent } from './testing/limit.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ QUOTA_PER_USER: '2', QUOTA_PER_TENANT: '3' });
});
afterAll(() => app.stop());

/** Sends an operation as a service of the tenant and expects no errors. Returns the data. */
async function ask(tenantId: string, query: string, variables: Record<string, unknown>) {
  const service = await app.token({ role: 'service', subject: 'shop', tenantId });
  const { data, errors } = await app.send(service, query, variables);
  expect(errors).toBeUndefined();
  return data as Record<string, { readonly userErrors: readonly { code: string; message: string }[] }>;
}

const problems = 'userErrors { code message }';
const publishing = `mutation ($items: [ItemInput!]!) {
  done: publishItems(input: { collection: "news", items: $items }) { ${problems} } }`;
const upserting = `mutation ($users: [UpsertUserInput!]!) { done: upsertUsers(input: { users: $users }) { ${problems} } }`;
const importing = `mutation ($to: Int!) {
  done: importUserRange(input: { fromId: 0, toIdExclusive: $to, patch: {} }) { ${problems} } }`;
const ofTenant =
  /^A tenant may record 3 \w+ per day \(QUOTA_PER_TENANT\)\. Try again after \d{4}-\d\d-\d\dT00/;

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

describe('the daily quota of a tenant', () => {
  it.each([
    ['publishItems', publishing, (n: number) => ({ items: times(n, (i) => ({ itemId: `item-${i}` })) })],
    ['upsertUsers', upserting, (n: number) => ({ users: times(n, (i) => ({ userId: `u${i}`, patch: {} })) })],
    ['importUserRange', importing, (n: number) => ({ to: n })],
  ])(
    'refuses the whole call of %s if it exceeds the quota, and accepts a call within the quota',
    async (tenant, query, variables) => {
      const refused = [{ code: 'QUOTA_EXCEEDED', message: expect.stringMatching(ofTenant) }];
      expect(await ask(tenant, query, variables(4))).toMatchObject({ done: { userErrors: refused } });
      expect(await ask(tenant, query, variables(3))).toMatchObject({ done: { userErrors: [] } });
      expect(await ask(tenant, query, variables(1))).toMatchObject({ done: { userErrors: refused } });
      expect(await ask(`${tenant}-other`, query, variables(3))).toMatchObject({ done: { userErrors: [] } });
    },
  );
});

describe('the daily quota of a user', () => {
  it('returns an outcome for each limit event, and refuses only the events over the quota', async () => {
    const events = times(3, (i) => wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', i + 1, { userId: 'alice' }));
    const ingesting = `mutation ($events: [JSONObject!]!) {
      done: ingestLimitEvents(events: $events) { results { outcome message } ${problems} } }`;
    const full = expect.stringContaining('A user may record 2 limit events per day');
    expect(await ask('limits', ingesting, { events })).toMatchObject({
      done: {
        results: [
          { outcome: 'ACCEPTED', message: null },
          { outcome: 'ACCEPTED', message: null },
          { outcome: 'QUOTA_EXCEEDED', message: full },
        ],
      },
    });
  });

  it('refuses manual limit changes over the quota, but accepts a repeat with the same idempotency key', async () => {
    await ask('by-hand', upserting, { users: [{ userId: 'alice', patch: {} }] });
    const creating = `mutation ($key: IdempotencyKey!) { done: createUserLimit(input: { userId: "alice", userLimitId: "deposits",
      brandId: "shop", type: DEPOSIT, period: DAY, value: "5", idempotencyKey: $key }) { ${problems} } }`;
    const errorsOf = async (key: string) => (await ask('by-hand', creating, { key }))['done']?.userErrors;
    expect(await errorsOf('first')).toEqual([]);
    expect(await errorsOf('second')).toEqual([]);
    expect(await errorsOf('third')).toMatchObject([{ code: 'QUOTA_EXCEEDED' }]);
    expect(await errorsOf('first')).toEqual([]);
  });
});
