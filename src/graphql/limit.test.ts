import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { limitEventTypes } from '../events/limit-event.ts';
import { type Answer, startTestApp, type TestApp } from '../testing/app.ts';
import { wireLimitEvent } from '../testing/limit.ts';
import { withClient } from '../testing/postgres-server.ts';

let app: TestApp;
let service: string;
beforeAll(async () => {
  app = await startTestApp();
  service = await app.token({ role: 'service', subject: 'casino' });
});
afterAll(() => app.stop());

const seen = `userLimitId brandId type period status unit currencyCode value previousLimitValue progress remaining
  percentUsed activeFrom activeUntil nextResetAt resetOverdue projectedExhaustionAt partial sequenceNumber`;
const errors = 'userErrors { code message path }';
const create = `mutation ($input: CreateUserLimitInput!) { done: createUserLimit(input: $input) { userLimit { ${seen} } ${errors} } }`;
const update = `mutation ($input: UpdateUserLimitProgressInput!) { done: updateUserLimitProgress(input: $input) { userLimit { ${seen} } ${errors} } }`;
const reset = `mutation ($input: ResetUserLimitInput!) { done: resetUserLimit(input: $input) { userLimit { ${seen} } ${errors} } }`;
const ingest = `mutation ($events: [JSONObject!]!) { done: ingestLimitEvents(events: $events) {
  results { index eventId outcome message } ${errors} } }`;

type Done = {
  readonly userLimit: Readonly<Record<string, unknown>> | null;
  readonly userErrors: readonly {
    readonly code: string;
    readonly message: string;
    readonly path: string[];
  }[];
  readonly results: readonly { readonly outcome: string; readonly message: string | null }[];
};

async function run(query: string, input: object): Promise<Done> {
  const { data, errors } = await app.send(service, query, query === ingest ? { events: input } : { input });
  expect(errors).toBeUndefined();
  return (data as unknown as { done: Done }).done;
}

let users = 0;
/** A user with a deposit limit of 100 EUR a day. */
async function playerWithLimit(limit: object = {}) {
  const userId = `player-${++users}`;
  const upsert = `mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) { createdCount } }`;
  await app.send(service, upsert, { input: { users: [{ userId, patch: {} }] } });
  const token = await app.token({ subject: userId });
  const userLimitId = `limit-of-${userId}`;
  const input = {
    userId,
    userLimitId,
    brandId: 'brand-1',
    type: 'DEPOSIT',
    period: 'DAY',
    value: '100.00',
    currencyCode: 'EUR',
    ...limit,
  };
  const { userLimit, userErrors } = await run(create, input);
  expect(userErrors).toEqual([]);
  return {
    userId,
    userLimitId,
    token,
    input,
    userLimit,
    async limits(filter?: object) {
      const query = `query ($filter: UserLimitFilter) { viewer { limits(filter: $filter) { ${seen} } } }`;
      const { data, errors } = await app.send(token, query, { filter });
      return {
        errors,
        limits: (data as unknown as { viewer: { limits: Done['userLimit'][] } | null })?.viewer?.limits ?? [],
      };
    },
  };
}

/** The events of the user on the topic of limits. */
const outgoing = (userId: string) =>
  withClient(app.connectionString, async (client) => {
    const { rows } = await client.query<{ raw: Buffer | null; value: string | null }>(
      `SELECT raw, value FROM event_log WHERE topic = 'user-limit-events' AND key = $1 ORDER BY "offset"`,
      [`default/${userId}`],
    );
    return rows.map(({ raw, value }) => JSON.parse(raw?.toString() ?? value ?? ''));
  });

describe('a limit', () => {
  it('is in its new state in the answer of each mutation that creates, uses, resets or redefines it', async () => {
    const player = await playerWithLimit();
    expect(player.userLimit).toMatchObject({
      status: 'ACTIVE',
      unit: 'MONEY',
      value: '100.00',
      previousLimitValue: null,
      progress: '0',
      remaining: '100.00',
      percentUsed: 0,
      resetOverdue: false,
      partial: false,
      sequenceNumber: '1',
    });
    const { userLimitId } = player;
    const used = await run(update, { userLimitId, amount: '30.10' });
    expect(used.userLimit).toMatchObject({ progress: '30.10', remaining: '69.90', percentUsed: 30.1 });
    const more = await run(update, { userLimitId, amount: '0.90' });
    expect(more.userLimit).toMatchObject({ progress: '31.00', sequenceNumber: '3' });
    const nextResetAt = '2030-01-01T00:00:00.000Z';
    const afterReset = await run(reset, { userLimitId, nextResetAt });
    expect(afterReset.userLimit).toMatchObject({ progress: '0', remaining: '100.00', nextResetAt });
    const redefined = await run(create, { ...player.input, value: '250.00' });
    const { activeFrom } = player.userLimit ?? {};
    expect(redefined.userLimit).toMatchObject({ value: '250.00', previousLimitValue: '100.00', activeFrom });
    expect((await player.limits()).limits).toEqual([redefined.userLimit]);
    // The events of Unseen have the same form as the events of other producers, and are on the same topic.
    await vi.waitFor(async () => expect(await outgoing(player.userId)).toHaveLength(5));
    expect(await outgoing(player.userId)).toMatchObject([
      {
        type: 'USER_LIMIT_CREATED',
        aggregateId: player.userId,
        sequenceNumber: 1,
        payload: { value: '100.00', status: 'ACTIVE', type: 'DEPOSIT', period: 'DAY' },
      },
      { payload: { previousProgress: '0', amount: '30.10', remainingAmount: '69.90' } },
      { payload: { previousProgress: '30.10', amount: '0.90', remainingAmount: '69.00' } },
      {
        type: 'USER_LIMIT_RESET',
        payload: {
          resetAmount: '31.00',
          unusedAmount: '69.00',
          resetPercentage: '31.000000',
          nextResetTime: Date.parse(nextResetAt),
        },
      },
      { payload: { value: '250.00', previousLimitValue: '100.00' } },
    ]);
  });

  it('is published on the topic of limits, and the worker does not apply the published events again', async () => {
    const player = await playerWithLimit();
    await run(update, { userLimitId: player.userLimitId, amount: '10' });
    const { outbox, log } = app.runtime.backends;
    await vi.waitFor(async () => expect(await outbox.depth()).toBe(0));
    await vi.waitFor(async () => expect((await log.health()).lag).toBe(0n));
    expect((await player.limits()).limits).toMatchObject([{ progress: '10', sequenceNumber: '2' }]);
    expect(await outgoing(player.userId)).toHaveLength(2);
  });

  it('changes only once for concurrent calls with the same idempotency key', async () => {
    const player = await playerWithLimit();
    const input = { userLimitId: player.userLimitId, amount: '10', idempotencyKey: `key-${player.userId}` };
    const all = await Promise.all(Array.from({ length: 8 }, () => run(update, input)));
    expect(all.map(({ userLimit }) => userLimit?.['progress'])).toEqual(Array(8).fill('10'));
    expect((await run(update, { ...input, amount: '11' })).userErrors).toMatchObject([
      { code: 'IDEMPOTENCY_CONFLICT', path: ['input', 'idempotencyKey'] },
    ]);
    expect((await run(update, input)).userLimit).toMatchObject({ progress: '10' });
    const unnamed = { ...player.input, userLimitId: null, idempotencyKey: `new-${player.userId}` };
    const [first, second] = [await run(create, unnamed), await run(create, unnamed)];
    expect(first.userLimit?.['userLimitId']).toBe(second.userLimit?.['userLimitId']);
    expect((await player.limits()).limits).toHaveLength(2);
  });

  it('changes once for each concurrent call without an idempotency key', async () => {
    const player = await playerWithLimit({ value: '1000' });
    const input = { userLimitId: player.userLimitId, amount: '0.10' };
    await Promise.all(Array.from({ length: 30 }, () => run(update, input)));
    expect((await player.limits()).limits).toMatchObject([{ progress: '3.00', sequenceNumber: '31' }]);
  });

  it.each([
    ['a negative value', { value: '-1' }, 'INVALID_INPUT', ['input', 'value'], /must not be negative/],
    ['an empty brand', { brandId: '' }, 'INVALID_INPUT', ['input', 'brandId'], /1 character/],
    ['an empty id', { userLimitId: '' }, 'INVALID_INPUT', ['input', 'userLimitId'], /1 character/],
    ['an unknown user', { userId: 'nobody' }, 'USER_NOT_FOUND', ['input', 'userId'], /No such user/],
    [
      'an end in the past',
      { activeUntil: '2020-01-01T00:00:00Z' },
      'INVALID_INPUT',
      ['input', 'activeUntil'],
      /must be in the future/,
    ],
    [
      'a reset in the past',
      { nextResetAt: '2020-01-01T00:00:00Z' },
      'INVALID_INPUT',
      ['input', 'nextResetAt'],
      /must be in the future/,
    ],
  ])('is not created with %s', async (_, fields, code, path, message) => {
    const { input } = await playerWithLimit();
    const { userLimit, userErrors } = await run(create, {
      ...input,
      userLimitId: `other-${users}`,
      ...fields,
    });
    expect(userLimit).toBeNull();
    expect(userErrors).toMatchObject([{ code, path, message: expect.stringMatching(message) }]);
  });

  it('keeps its progress if a redefinition changes its value', async () => {
    const player = await playerWithLimit();
    await run(update, { userLimitId: player.userLimitId, amount: '50' });
    await run(update, { userLimitId: player.userLimitId, amount: '10' });
    for (const value of ['50', '10', '110', '60']) {
      const { userLimit } = await run(create, { ...player.input, value });
      expect(userLimit).toMatchObject({ progress: '60', value });
    }
    const { userLimit } = await run(update, { userLimitId: player.userLimitId, amount: '5' });
    expect(userLimit).toMatchObject({ progress: '65', remaining: '-5' });
  });

  it('keeps its currency if a redefinition has no currency, and loses its next reset if it becomes INDEFINITE', async () => {
    const player = await playerWithLimit();
    const { currencyCode: _, ...input } = player.input;
    const endless = await run(create, { ...input, period: 'INDEFINITE' });
    expect(endless.userLimit).toMatchObject({ currencyCode: 'EUR', nextResetAt: null, resetOverdue: false });
    const toCome = new Date(Date.now() + 40 * 86_400_000);
    const future = await playerWithLimit({ activeFrom: toCome.toISOString() });
    const again = await run(reset, { userLimitId: future.userLimitId });
    expect(again.userLimit).toMatchObject({
      status: 'FUTURE',
      nextResetAt: new Date(toCome.getTime() + 86_400_000).toISOString(),
    });
  });

  it('refuses values that an event of a limit cannot represent', async () => {
    const player = await playerWithLimit();
    const refused = async (input: object) => (await run(create, { ...player.input, ...input })).userErrors;
    const beyond = 'must be after February 1973 and before the year 10000';
    expect(await refused({ activeFrom: '1970-01-01T00:00:00Z' })).toMatchObject([
      { code: 'INVALID_INPUT', path: ['input', 'activeFrom'], message: expect.stringContaining(beyond) },
    ]);
    expect(await refused({ activeFrom: '9999-12-31T00:00:00Z', period: 'MONTH' })).toMatchObject([
      { code: 'INVALID_INPUT', path: ['input', 'nextResetAt'], message: expect.stringContaining(beyond) },
    ]);
    expect(await refused({ type: 'UNKNOWN' })).toMatchObject([{ path: ['input', 'type'] }]);
    expect(await refused({ period: 'UNKNOWN' })).toMatchObject([{ path: ['input', 'period'] }]);
    const { errors } = await app.send(service, create, {
      input: { ...player.input, activeUntil: '9999-12-31T23:59:59-10:00' },
    });
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    // A refused amount with more digits than an event may have does not block later changes of the limit.
    const nines = '9'.repeat(38);
    const full = await playerWithLimit({ value: nines });
    const { userLimitId } = full;
    expect((await run(update, { userLimitId, amount: nines })).userErrors).toEqual([]);
    expect((await run(update, { userLimitId, amount: '1' })).userErrors).toMatchObject([
      {
        code: 'INVALID_INPUT',
        path: ['input', 'amount'],
        message: 'amount is too large: progress would have more than 38 digits.',
      },
    ]);
    expect((await run(reset, { userLimitId })).userLimit).toMatchObject({ progress: '0' });
    expect((await run(update, { userLimitId, amount: '0.1' })).userLimit).toMatchObject({
      progress: '0.1',
      remaining: `${'9'.repeat(37)}8.9`,
    });
    expect((await run(reset, { userLimitId })).userLimit).toMatchObject({ progress: '0' });
  });

  it('belongs to only one user if several users create limits with the same id concurrently', async () => {
    for (let round = 0; round < 10; round += 1) {
      const all = await Promise.all([playerWithLimit(), playerWithLimit(), playerWithLimit()]);
      const userLimitId = `contended-${round}`;
      const done = await Promise.all(all.map(({ input }) => run(create, { ...input, userLimitId })));
      const codes = done.flatMap(({ userErrors }) => userErrors.map(({ code }) => code));
      expect(codes).toEqual(['CONFLICT', 'CONFLICT']);
    }
  });

  it('belongs to one user, so another user cannot create a limit with its id, and an unknown id gives NOT_FOUND', async () => {
    const [player, other] = [await playerWithLimit(), await playerWithLimit()];
    const taken = await run(create, { ...other.input, userLimitId: player.userLimitId });
    expect(taken.userErrors).toMatchObject([{ code: 'CONFLICT', path: ['input', 'userLimitId'] }]);
    for (const [query, input] of [
      [update, { amount: '1' }],
      [reset, {}],
    ] as const) {
      const { userErrors } = await run(query, { userLimitId: 'none', ...input });
      expect(userErrors).toMatchObject([{ code: 'NOT_FOUND', path: ['input', 'userLimitId'] }]);
    }
    const negative = await run(update, { userLimitId: player.userLimitId, amount: '-1' });
    expect(negative.userErrors).toMatchObject([{ code: 'INVALID_INPUT', path: ['input', 'amount'] }]);
  });
});

describe('User.limits', () => {
  it('filters by brand, type, period and status', async () => {
    const player = await playerWithLimit();
    await run(create, {
      ...player.input,
      userLimitId: null,
      brandId: 'b',
      type: 'SESSION',
      period: 'CALENDAR_WEEK',
    });
    await run(create, {
      ...player.input,
      userLimitId: null,
      brandId: 'c',
      activeFrom: '2035-01-01T00:00:00Z',
    });
    const brands = async (filter: object) =>
      (await player.limits(filter)).limits.map((limit) => limit?.['brandId']).toSorted();
    expect(await brands({})).toEqual(['b', 'brand-1', 'c']);
    expect(await brands({ brandId: 'b' })).toEqual(['b']);
    expect(await brands({ types: ['DEPOSIT', 'LOSS'] })).toEqual(['brand-1', 'c']);
    expect(await brands({ periods: ['CALENDAR_WEEK'] })).toEqual(['b']);
    expect(await brands({ statuses: ['FUTURE'] })).toEqual(['c']);
    expect(await brands({ statuses: ['ACTIVE'], types: ['SESSION'] })).toEqual(['b']);
    expect((await player.limits({ types: [] })).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect((await player.limits({ brandId: 'a\u0000' })).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('returns the same limits with and without aliases, directives and fragments', async () => {
    const player = await playerWithLimit();
    await run(create, { ...player.input, userLimitId: null, brandId: 'b', type: 'SESSION' });
    const ask = async (query: string, variables: object = {}) => {
      const { data, errors } = await app.send(service, query, { id: player.userId, ...variables });
      expect(errors).toBeUndefined();
      return data;
    };
    const userQuery = (selection: string) => `query ($id: ID!) { user(userId: $id) { ${selection} } }`;
    const brandOf = (brandId: string) => ({ brandId });
    const [both, b] = [['b', 'brand-1'].map(brandOf), [brandOf('b')]];
    const sorted = '{ brandId }';
    const types = '(filter: { types: [SESSION] })';

    expect(await ask(userQuery(`userId limits${types} ${sorted}`))).toEqual({
      user: { userId: player.userId, limits: b },
    });
    expect(await ask(userQuery(`timeZone b: limits${types} ${sorted}`))).toEqual({
      user: { timeZone: 'UTC', b },
    });
    const twice = await ask(userQuery(`b: limits${types} ${sorted} all: limits ${sorted}`));
    expect(twice).toMatchObject({ user: { b, all: expect.arrayContaining(both) } });
    const merged = await ask(userQuery(`limits${types} ${sorted} limits${types} { type }`));
    expect(merged).toEqual({ user: { limits: [{ brandId: 'b', type: 'SESSION' }] } });
    const spread = `${userQuery('...Shown ... on Node { id }')} fragment Shown on User { limits${types} ${sorted} }`;
    expect(await ask(spread)).toMatchObject({ user: { limits: b } });

    const condition = `query ($id: ID!, $on: Boolean!) {
      user(userId: $id) { userId ... @include(if: $on) { limits${types} ${sorted} } all: limits @skip(if: $on) ${sorted} } }`;
    expect(await ask(condition, { on: true })).toEqual({ user: { userId: player.userId, limits: b } });
    expect(await ask(condition, { on: false })).toMatchObject({
      user: { all: expect.arrayContaining(both) },
    });

    const filtered = `query ($id: ID!, $types: [LimitType!]) { user(userId: $id) { limits(filter: { types: $types }) ${sorted} } }`;
    expect(await ask(filtered, { types: ['SESSION'] })).toEqual({ user: { limits: b } });
    expect(await ask(filtered, { types: ['LOSS'] })).toEqual({ user: { limits: [] } });
    expect(await ask(userQuery(`limits ${sorted}`), { id: 'nobody' })).toEqual({ user: null });
    const { errors } = await app.send(service, filtered, { id: player.userId, types: [] });
    expect(errors).toMatchObject([{ path: ['user', 'limits'], extensions: { code: 'BAD_USER_INPUT' } }]);

    const token = await app.token({ subject: 'never seen before' });
    const { data } = await app.send(token, `{ viewer { userId limits ${sorted} } }`);
    expect(data).toEqual({ viewer: { userId: 'never seen before', limits: [] } });
  });

  it('returns the history of each limit, also if the limit is read by id or as a node', async () => {
    const player = await playerWithLimit();
    for (const amount of ['1', '2', '3']) await run(update, { userLimitId: player.userLimitId, amount });
    const query = `query ($id: ID!, $after: String) { viewer { limit(userLimitId: $id) { id history(first: 3, after: $after) {
      edges { cursor node { eventId type sequenceNumber occurredAt progressAfter raw } } pageInfo { hasNextPage endCursor } } } } }`;
    const page = async (after?: string) => {
      const { data } = await app.send(player.token, query, { id: player.userLimitId, after });
      return (data as unknown as { viewer: { limit: { id: string; history: History } } }).viewer.limit;
    };
    interface History {
      edges: { node: { progressAfter: string; raw: { payload: object } } }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    }
    const first = await page();
    expect(first.history.edges.map(({ node }) => node.progressAfter)).toEqual(['6', '3', '1']);
    expect(first.history.edges[0]?.node.raw.payload).toMatchObject({ amount: '3', previousProgress: '3' });
    const rest = await page(first.history.pageInfo.endCursor);
    expect(rest.history).toMatchObject({
      edges: [{ node: { type: 'USER_LIMIT_CREATED', progressAfter: '0' } }],
      pageInfo: { hasNextPage: false },
    });
    const node = 'query ($id: ID!) { node(id: $id) { id ... on UserLimit { progress } } }';
    const asked = (token: string) => app.send(token, node, { id: first.id });
    expect((await asked(player.token)).data).toEqual({ node: { id: first.id, progress: '6' } });
    const other = await playerWithLimit();
    expect((await asked(other.token)).data).toEqual({ node: null });
    const foreign = 'query ($id: ID!) { viewer { limit(userLimitId: $id) { id } } }';
    expect((await app.send(other.token, foreign, { id: player.userLimitId })).data).toEqual({
      viewer: { limit: null },
    });
  });

  it('finds the limit of the user among 501 limits with the same id', async () => {
    const shared = { filler: 'shared-filler', last: 'shared-last' };
    await withClient(app.connectionString, async (client) => {
      await client.query(
        `INSERT INTO app_user (tenant_id, user_id, created_at)
         SELECT 'default', $1 || n, now() FROM generate_series(1, 501) AS n UNION ALL SELECT 'default', $2, now()`,
        [shared.filler, shared.last],
      );
      await client.query(
        `INSERT INTO user_limit (tenant_id, user_id, user_limit_id, brand_id, type, period, status, value, version, updated_at)
         SELECT 'default', user_id, 'weekly', 'brand-1', 'BET', 'WEEK', 'ACTIVE', 10, 1, now() FROM app_user WHERE user_id LIKE 'shared-%'`,
      );
    });
    const weekly = 'limit(userLimitId: "weekly") { id userLimitId brandId }';
    const { data, errors } = await app.send(
      service,
      `query ($last: ID!) { user(userId: $last) { ${weekly} other: limit(userLimitId: "daily") { id } } }`,
      shared,
    );
    expect(errors).toBeUndefined();
    const { user } = data as unknown as { user: { limit: { id: string } } };
    expect(user).toEqual({
      limit: { id: expect.any(String), userLimitId: 'weekly', brandId: 'brand-1' },
      other: null,
    });
    const byId = 'query ($id: ID!) { node(id: $id) { ... on UserLimit { brandId } } }';
    const node = await app.send(service, byId, { id: user.limit.id });
    expect(node.data).toEqual({ node: { brandId: 'brand-1' } });
    const ambiguous = [
      {
        code: 'CONFLICT',
        message: expect.stringMatching(/^Several users have a limit with this userLimitId\. /),
      },
    ];
    expect((await run(update, { userLimitId: 'weekly', amount: '1' })).userErrors).toMatchObject(ambiguous);
    expect((await run(reset, { userLimitId: 'weekly' })).userErrors).toMatchObject(ambiguous);
  });

  it('costs as much as 50 objects', async () => {
    const player = await playerWithLimit();
    const twice = (fields: string) => `{ viewer { limits { ${fields} } } }`;
    expect(
      (await app.send(player.token, twice('history(first: 5) { edges { cursor } }'))).errors,
    ).toBeUndefined();
    const { errors: refused } = await app.send(
      player.token,
      twice('history(first: 25) { edges { node { eventId } } }'),
    );
    expect(refused?.[0]?.extensions.code).toBe('QUERY_TOO_COMPLEX');
  });
});

describe('ingestLimitEvents', () => {
  it('returns an outcome per event, and each event is applied once in any order of arrival', async () => {
    const { userId, limits } = await playerWithLimit();
    const own = { userId, userLimitId: `ingested-${userId}` };
    const good = [
      wireLimitEvent('USER_LIMIT_CREATED', 1, own),
      wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 2, own),
      wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 9, { ...own, previousProgress: '10.00', amount: '5.55' }),
    ].map(({ payload, ...fields }) => ({ ...fields, data: payload }));
    const bad: [object, RegExp][] = [
      [
        wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { ...own, amount: '1,000.00' }),
        /payload\.amount: must be digits/,
      ],
      [
        wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { ...own, amount: '1e3' }),
        /payload\.amount: must be digits/,
      ],
      [
        wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { ...own, amount: 'NaN' }),
        /payload\.amount: must be digits/,
      ],
      [
        wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { ...own, amount: 10 }),
        /payload\.amount: must be a decimal as text/,
      ],
      [
        wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { ...own, amount: '9'.repeat(40) }),
        /at most 38 digits/,
      ],
      [
        wireLimitEvent('USER_LIMIT_CREATED', 3, { ...own, value: '-5' }),
        /payload\.value: must not be negative/,
      ],
      [
        wireLimitEvent('USER_LIMIT_RESET', 3, own, { createdAt: 1647946090 }),
        /createdAt: .*milliseconds since 1970, not seconds/,
      ],
      [
        wireLimitEvent('USER_LIMIT_RESET', 3, { ...own, nextResetTime: 1647946090 }),
        /payload\.nextResetTime: .*not seconds/,
      ],
      [wireLimitEvent('USER_LIMIT_RESET', 3, own, { eventId: null }), /eventId: must be there/],
      [wireLimitEvent('USER_LIMIT_RESET', -1, own), /sequenceNumber: must not be negative/],
      [wireLimitEvent('USER_LIMIT_RESET', 3, own, { payload: 'x' }), /payload: must be a JSON object/],
      [wireLimitEvent('USER_LIMIT_RESET', 3, own, { createdAt: 4e12 }), /createdAt: more than a day ahead/],
      [{}, /type: /],
    ];
    const foreign = wireLimitEvent('USER_LIMIT_CREATED', 1, own, { type: 'USER_LIMIT_CHANGE_SOURCE_ADDED' });
    const events = [...good, ...bad.map(([event]) => event), foreign];
    const { results, userErrors } = await run(ingest, [...events, ...good.toReversed()]);
    expect(userErrors).toEqual([]);
    expect(results.map(({ outcome }) => outcome)).toEqual([
      ...good.map(() => 'ACCEPTED'),
      ...bad.map(() => 'INVALID'),
      'IGNORED_TYPE',
      ...good.map(() => 'ACCEPTED'),
    ]);
    for (const [index, [, message]] of bad.entries()) {
      expect(results[good.length + index]?.message).toMatch(message);
    }
    await vi.waitFor(async () => {
      const { limits: all } = await limits();
      expect(all).toMatchObject([{ progress: '15.55', remaining: '84.45', sequenceNumber: '9' }, {}]);
    });
    expect(Object.keys(limitEventTypes)).toHaveLength(3);
  });

  it('accepts 1 to 500 events', async () => {
    expect((await run(ingest, [])).userErrors).toMatchObject([{ code: 'INVALID_INPUT', path: ['events'] }]);
    const many = Array.from({ length: 501 }, () => ({}));
    expect((await run(ingest, many)).userErrors).toMatchObject([{ code: 'TOO_MANY_ITEMS' }]);
  });
});

describe('userLimitChanged', () => {
  it('sends every limit and then each change, and a reached threshold changes the badge', async () => {
    const player = await playerWithLimit();
    const client = app.client(player.token);
    const pushed: string[] = [];
    const watch = async (query: string, show: (data: never) => string) => {
      for await (const { data } of client.iterate({ query })) pushed.push(show(data as never));
    };
    void watch(
      'subscription { userLimitChanged { userLimitId progress percentUsed } }',
      ({ userLimitChanged: { progress, percentUsed } }) => `limit ${progress} ${percentUsed}`,
    );
    void watch(
      'subscription { badgeChanged { badge { unseen } } }',
      ({ badgeChanged: { badge } }) => `bell ${(badge as { unseen: number }).unseen}`,
    );
    await vi.waitFor(() => expect(pushed.toSorted()).toEqual(['bell 0', 'limit 0 0']));
    pushed.length = 0;
    await run(update, { userLimitId: player.userLimitId, amount: '79' });
    await vi.waitFor(() => expect(pushed).toEqual(['limit 79 79']));
    await run(update, { userLimitId: player.userLimitId, amount: '1' });
    await vi.waitFor(() => expect(pushed.slice(1).toSorted()).toEqual(['bell 1', 'limit 80 80']));
    // Ingested events also cause pushes.
    const wire = wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 50, {
      userId: player.userId,
      userLimitId: player.userLimitId,
      previousProgress: '80.00',
      amount: '20.00',
    });
    await run(ingest, [wire]);
    await vi.waitFor(() => expect(pushed.slice(3).toSorted()).toEqual(['bell 2', 'limit 100.00 100']));
  });

  it('refuses a caller who asks for the limits of another user', async () => {
    const player = await playerWithLimit();
    const other = await app.token({ subject: 'mallory' });
    const query = `subscription { userLimitChanged(userId: "${player.userId}") { progress } }`;
    const results: Answer['errors'][] = [];
    for await (const result of app.client(other).iterate({ query })) {
      results.push(result.errors as unknown as Answer['errors']);
      break;
    }
    expect(results[0]?.[0]?.extensions.code).toBe('FORBIDDEN');
  });
});
