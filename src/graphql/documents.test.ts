import { getIntrospectionQuery } from 'graphql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { internals, many, type Probe, startProbe } from '../testing/bad-input.ts';

let probe: Probe;
beforeAll(async () => {
  probe = await startProbe();
});
afterEach(() => probe.expectUnharmed());
afterAll(() => probe.app.stop());

describe('the server', () => {
  const ring = 'fragment A on User { ...B } fragment B on User { ...A }';
  /** A document with the fragments F0 to F30. Each fragment spreads the next fragment twice. */
  const doubled = (inner: string, last: string) =>
    `{ viewer { ...F0 } } ${many(30, (i) => `fragment F${i} on User { ${inner} ...F${i + 1} ...F${i + 1} }`)}
     fragment F30 on User { ${last} }`;
  const fullPage = 'pageViews(first: 100) { edges { node { id } } }';
  const fullPages = many(6, (i) => `p${i}: ${fullPage}`);
  const opening = (i: number) => `m${i}: openInbox(input: {}) { badge { id } }`;
  const wholeSchemas = getIntrospectionQuery().replace(
    /\{\s*(__schema.*?)\n {4}\}\n/s,
    (_, body: string) => `{ ${many(6, (i) => `s${i}: ${body}`)} }\n`,
  );
  const activity = (alias: string, from: string) =>
    `${alias}: activityMetrics(range: { from: "${from}" }) { start byType { activityType count } }`;
  const deepTypes = 'fields { type { fields { type { fields { type { fields { name } } } } } } }';
  const documents: [what: string, document: string, code: string, message: RegExp][] = [
    ['a syntax error', '{ viewer {', 'BAD_USER_INPUT', /^Syntax Error/],
    ['nothing but a comment', '# nothing', 'BAD_USER_INPUT', /^Syntax Error/],
    ['an unknown field', '{ viewer { shoeSize } }', 'BAD_USER_INPUT', /shoeSize/],
    ['an unknown directive', '{ viewer @foo { id } }', 'BAD_USER_INPUT', /@foo/],
    [
      'two operations without an operation name',
      'query A { viewer { id } } query B { viewer { id } }',
      'BAD_USER_INPUT',
      /name/,
    ],
    ['a subscription', 'subscription { badgeChanged { kind } }', 'BAD_USER_INPUT', /WebSocket/],
    [
      'a fragment that spreads itself',
      '{ viewer { ...A } } fragment A on User { id ...A }',
      'BAD_USER_INPUT',
      /itself/,
    ],
    ['fragments that spread each other', `{ viewer { ...A } } ${ring}`, 'BAD_USER_INPUT', /itself/],
    [
      '2^30 fields through doubling fragments',
      doubled('', 'userId'),
      'QUERY_TOO_COMPLEX',
      /3221225472 selections. The maximum is 2000/,
    ],
    [
      '2^30 aliases through doubling fragments',
      doubled('a: id', 'id'),
      'QUERY_TOO_COMPLEX',
      /selections. The maximum is 2000/,
    ],
    [
      '2^30 objects through doubling fragments',
      doubled('', 'badge { id }'),
      'QUERY_TOO_COMPLEX',
      /selections. The maximum is 2000/,
    ],
    [
      'doubling fragments that no operation spreads',
      `{ viewer { id } } ${doubled('', 'id').replace(/^\{.*?\} \}/, '')}`,
      'QUERY_TOO_COMPLEX',
      /fragment has 3221225470 selections/,
    ],
    [
      'a field 101 times',
      `{ viewer { ${'id '.repeat(101)} } }`,
      'BAD_USER_INPUT',
      /"id" 101 times. The maximum is 100/,
    ],
    [
      'a field 101 times in inline fragments',
      `{ viewer { ${'... { id } '.repeat(101)} } }`,
      'BAD_USER_INPUT',
      /"id" 101 times. The maximum is 100/,
    ],
    [
      '200 nested inline fragments',
      `{ viewer { ${'... { '.repeat(200)} shoeSize ${'}'.repeat(200)} } }`,
      'BAD_USER_INPUT',
      /shoeSize/,
    ],
    [
      'an argument with lists nested 400 deep',
      `{ viewer { badges(keys: ${'['.repeat(400)}${']'.repeat(400)}) { id } } }`,
      'BAD_USER_INPUT',
      /String/,
    ],
    [
      'an argument with objects nested 150 deep',
      `{ viewer { stats(window: ${'{ a: '.repeat(150)}1${' }'.repeat(150)}) { sessionCount } } }`,
      'BAD_USER_INPUT',
      /StatsWindowInput/,
    ],
    ['1000 aliases', `{ ${many(1000, (i) => `a${i}: viewer { id }`)} }`, 'BAD_USER_INPUT', /1000 tokens/],
    [
      '16 aliases',
      `{ viewer { ${many(16, (i) => `a${i}: id`)} } }`,
      'BAD_USER_INPUT',
      /16 aliases. The maximum is 15/,
    ],
    [
      '16 aliases in introspection',
      `{ __schema { ${many(16, (i) => `t${i}: types { name }`)} } }`,
      'BAD_USER_INPUT',
      /16 aliases. The maximum is 15/,
    ],
    ['nested introspection lists', `{ __schema { types { ${deepTypes} } } }`, 'BAD_USER_INPUT', /depth/],
    ['a field 5000 times', `{ viewer { ${'id '.repeat(5000)} } }`, 'BAD_USER_INPUT', /1000 tokens/],
    [
      '1001 lines',
      `${'\n'.repeat(1_000)}{ viewer { id } }`,
      'BAD_USER_INPUT',
      /has 1001 lines. The maximum is 1000/,
    ],
    [
      '32 001 characters',
      `{ viewer { id } } #${' '.repeat(31_982)}`,
      'BAD_USER_INPUT',
      /has 32001 characters. The maximum is 32000/,
    ],
    [
      '11 root fields',
      `{ ${'viewer { id } '.repeat(11)} }`,
      'BAD_USER_INPUT',
      /11 root fields. The maximum is 10/,
    ],
    ['6 mutations', `mutation { ${many(6, opening)} }`, 'BAD_USER_INPUT', /6 root fields. The maximum is 5/],
    [
      '11 directives',
      `{ viewer { ${'id @skip(if: false) '.repeat(11)} } }`,
      'BAD_USER_INPUT',
      /11 directives. The maximum is 10/,
    ],
    ['the whole schema six times', wholeSchemas, 'QUERY_TOO_COMPLEX', /costs 1\d\d\d. The maximum is 1000/],
    [
      'two ranges of 1500 buckets with their types',
      `{ ${activity('a', '2026-11-01T00:00:00Z')} ${activity('b', '2026-11-01T00:00:00Z')} }`,
      'QUERY_TOO_COMPLEX',
      /costs 1\d\d\d. The maximum is 1000/,
    ],
    [
      'more than 1000 objects',
      `{ viewer { ${fullPages} } }`,
      'QUERY_TOO_COMPLEX',
      /costs 1214. The maximum is 1000/,
    ],
  ];
  it.each(documents)('refuses %s', async (_, document, code, message) => {
    const reply = await probe.run(document);
    expect(reply).toMatchObject({ status: 400, code });
    expect(reply.message).toMatch(message);
  });

  it('refuses doubling fragments by GET and for another content type before expanding them', async () => {
    const query = doubled('', 'userId');
    const accept = { accept: 'application/graphql-response+json' };
    const byGet = await probe.request(undefined, {
      method: 'GET',
      path: `/graphql?query=${encodeURIComponent(query)}`,
      headers: { 'apollo-require-preflight': 'yes' },
    });
    expect(byGet).toMatchObject({ status: 400, code: 'QUERY_TOO_COMPLEX' });
    const negotiated = await probe.request(JSON.stringify({ query }), { headers: accept });
    expect(negotiated).toMatchObject({ status: 400, code: 'QUERY_TOO_COMPLEX' });
    expect(negotiated.headers.get('content-type')).toContain('application/graphql-response+json');
  });

  it('computes the cost with the value that a variable gives to the page size', async () => {
    const pages = many(10, (i) => `p${i}: notifications(first: $first) { nodes { id } }`);
    const query = `query ($first: Int) { viewer { ${pages} } }`;
    expect(await probe.run(query, { first: 100 })).toMatchObject({ status: 400, code: 'QUERY_TOO_COMPLEX' });
    expect(await probe.run(query, { first: 1 })).toMatchObject({ status: 200 });
    const accept = { accept: 'application/graphql-response+json' };
    const body = JSON.stringify({ query, variables: { first: 100 } });
    expect(await probe.request(body, { headers: accept })).toMatchObject({
      status: 400,
      code: 'QUERY_TOO_COMPLEX',
    });
  });

  it('counts the default page size if none is given', async () => {
    const pages = many(15, (i) => `p${i}: notifications { edges { node { id } } }`);
    expect(await probe.run(`{ viewer { ${pages} stats { topPages(first: 100) { name } } } }`)).toMatchObject({
      status: 200,
    });
    const reply = await probe.run(
      `{ viewer { ${pages} stats { topPages(first: 100) { name } } ${fullPage} } }`,
    );
    expect(reply).toMatchObject({ status: 400, code: 'QUERY_TOO_COMPLEX' });
  });

  it('treats names of Object.prototype like other names, in interpreted and compiled operations', async () => {
    const query = `query ($constructor: String!, $toString: Int, $__proto__: Int) { viewer {
      __proto__: userId
      constructor: badge(key: $constructor) { hasOwnProperty: key }
      notifications(first: $toString) { ...valueOf }
      pageViews(first: $__proto__) { nodes { __proto__: name } }
    } } fragment valueOf on NotificationConnection { __proto__: nodes { title } }`;
    const variables = '{"constructor":"items:constructor","__proto__":1}';
    const viewer = `{"__proto__":"alice","constructor":{"hasOwnProperty":"items:constructor"},
      "notifications":{"__proto__":[{"title":"Hi"}]},"pageViews":{"nodes":[{"__proto__":"Home"}]}}`;
    for (let run = 1; run <= 11; run += 1) {
      const { json } = await probe.run(query, variables);
      expect(JSON.stringify(json.data), `run ${run}`).toBe(JSON.stringify({ viewer: JSON.parse(viewer) }));
    }
  });

  it('answers the introspection query of GraphiQL', async () => {
    const options = { inputValueDeprecation: true, specifiedByUrl: true, schemaDescription: true };
    const reply = await probe.run(getIntrospectionQuery(options));
    expect(reply).toMatchObject({
      status: 200,
      json: { data: { __schema: { queryType: { name: 'Query' } } } },
    });
  });
});

describe('with introspection off', () => {
  let closed: TestApp;
  beforeAll(async () => {
    closed = await startTestApp({ INTROSPECTION: 'off' });
  });
  afterAll(() => closed.stop());

  const introspections: [what: string, query: string][] = [
    ['the query type', '{ __schema { queryType { name } } }'],
    ['a type', '{ __type(name: "User") { name } }'],
    ['the whole schema', getIntrospectionQuery()],
  ];
  it.each(introspections)('does not reveal %s', async (_, query) => {
    const { status, data, errors } = await closed.send(await closed.token(), query);
    expect({ status, data }).toEqual({ status: 400, data: undefined });
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(JSON.stringify(errors)).not.toMatch(internals);
  });

  const typos: [query: string, variables: Record<string, unknown>][] = [
    ['{ viewer { userIdd } }', {}],
    ['{ viewer { badge { unsen } } }', {}],
    ['mutation { openInbox(input: { upTwo: "x" }) { badge { id } } }', {}],
    [
      'query ($window: StatsWindowInput) { viewer { stats(window: $window) { pageViewCount } } }',
      { window: { day: 1 } },
    ],
  ];
  it.each(typos)('suggests no name for %s', async (query, variables) => {
    const { status, errors } = await closed.send(await closed.token(), query, variables);
    expect(status).toBe(400);
    expect(JSON.stringify(errors)).not.toContain('Did you mean');
  });

  it('still answers __typename', async () => {
    const reply = await closed.send(await closed.token(), '{ viewer { __typename } }');
    expect(reply).toMatchObject({ data: { viewer: { __typename: 'User' } } });
  });
});
