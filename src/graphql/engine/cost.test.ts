import { buildSchema, getOperationAST, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { getSchema } from '../schema.ts';
import { costOf, itemsOf } from './cost.ts';
import { always, createCostTable, type FieldCosts, page } from './cost-table.ts';
import type { Variables } from './variable-values.ts';

const schema = buildSchema(`
  type Query { me: Person people(first: Int = 25): PersonConnection! top(first: Int! = 5): [Person!]! }
  type PersonConnection { nodes: [Person!]! edges: [Edge!]! count: Int! }
  type Edge { node: Person! }
  type Person {
    name: String! about: String friends(first: Int = 25): PersonConnection! boss: Person
    badges(keys: [String!]): [Badge!]!
  }
  type Badge { key: String }
`);
const costs: FieldCosts = {
  'Query.top': { size: page(5, 'field') },
  'Person.badges': { size: always(3) },
  'Person.about': { bytes: 8_192 },
};
const table = createCostTable(schema, costs);

function cost(source: string, variables?: Variables): number {
  const document = parse(source);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  return costOf(schema, table, document, operation)(variables);
}

describe('cost', () => {
  it.each<[cost: number, document: string, variables?: Variables]>([
    [0, '{ __typename }'],
    [1, '{ me { name } }'],
    [2, '{ me { name boss { name } } }'],
    [3, '{ me { about } }'],
    [26, '{ people { nodes { name } } }'],
    [26, '{ people(first: null) { nodes { name } } }'],
    [11, '{ people(first: 10) { nodes { name } } }'],
    [21, '{ people(first: 10) { edges { node { name } } } }'],
    [102, '{ people(first: 100) { nodes { name } } }'],
    [102, '{ people(first: 5000) { nodes { name } } }'],
    [2, '{ people(first: -5) { nodes { name } } }'],
    [11, 'query ($first: Int) { people(first: $first) { nodes { name } } }', { first: 10 }],
    [26, 'query ($first: Int) { people(first: $first) { nodes { name } } }', {}],
    [26, 'query ($first: Int) { people(first: $first) { nodes { name } } }', { first: null }],
    [102, 'query ($first: Int) { people(first: $first) { nodes { name } } }', { first: 'many' }],
    [2, 'query ($first: Int = 1) { people(first: $first) { nodes { name } } }'],
    [26, 'query ($constructor: Int) { people(first: $constructor) { nodes { name } } }', {}],
    [1, '{ people(first: 100) { count } }'],
    [5, '{ top { name } }'],
    [20, '{ top(first: 10) { name boss { name } } }'],
    [122, '{ people(first: 10) { nodes { friends(first: 10) { nodes { name } } } } }'],
    [4, '{ me { ...Boss boss { ...Boss } } } fragment Boss on Person { boss { name } }'],
    [3, '{ me { ... on Person { boss { name } } ... { boss { name } } } }'],
    [
      32,
      '{ a: people(first: 10) { ...Names } b: people(first: 20) { ...Names } } fragment Names on PersonConnection { nodes { name } }',
    ],
    [4, '{ me { badges { key } } }'],
  ])('is %d for %s with %j', (amount, source, variables) => {
    expect(cost(source, variables)).toBe(amount);
  });

  it('grows with the length of response names', () => {
    const named = (length: number) => cost(`{ top(first: 100) { ${'a'.repeat(length)}: name } }`);
    expect(named(4_096) - named(1)).toBe(100);
  });

  it('cannot be computed if a list has no size', () => {
    const { 'Query.top': _, ...others } = costs;
    expect(() => createCostTable(schema, others)).toThrow('Query.top is a list without a size');
  });

  it('cannot be computed if a connection has no page size', () => {
    const unpaged = buildSchema('type Query { all: AllConnection } type AllConnection { nodes: [Int] }');
    expect(() => createCostTable(unpaged, {})).toThrow('Query.all is a connection without a size');
  });

  it('is defined for every list of the schema of Unseen', () => {
    expect(() => createCostTable(getSchema())).not.toThrow();
  });
});

it.each([{ toString: 1, valueOf: 1 }, [[[]]], 'constructor', null, 1e308])(
  'is the maximum if a range or a number is replaced by %j',
  (value) => {
    const unseen = getSchema();
    const amounts = (source: string, variables: Variables) => {
      const document = parse(source);
      const operation = getOperationAST(document);
      if (!operation) throw new Error('no operation');
      const costOfMetrics = costOf(unseen, createCostTable(unseen), document, operation)(variables);
      return [costOfMetrics, itemsOf(unseen, document, operation)(variables)];
    };
    const metrics = `query ($from: DateTime!, $granularity: Granularity!) {
    activityMetrics(range: { from: $from }, granularity: $granularity) { byType { activityType count } } }`;
    const [most] = amounts(metrics, {});
    expect(amounts(metrics, { from: value, granularity: value })).toEqual([most, 0]);
    const importing =
      'mutation ($input: ImportUserRangeInput!) { importUserRange(input: $input) { createdCount } }';
    expect(amounts(importing, { input: { fromId: value, toIdExclusive: value } })[1]).toBe(
      typeof value === 'number' ? 1 : 10_000,
    );
  },
);

describe('items', () => {
  const unseen = getSchema();
  function items(source: string, variables?: Variables): number {
    const document = parse(source);
    const operation = getOperationAST(document);
    if (!operation) throw new Error('no operation');
    return itemsOf(unseen, document, operation)(variables);
  }
  const views = Array.from({ length: 500 }, () => ({ name: 'Home' }));
  const record = (value: string) => `recordPageViews(input: ${value}) { accepted }`;

  it.each<[items: number, document: string, variables?: Variables]>([
    [0, '{ viewer { badges(keys: ["a", "b"]) { key } } }'],
    [0, 'mutation { recordPageView(input: { name: "a" }) { eventId } }'],
    [2, `mutation { ${record('{ views: [{ name: "a" }, { name: "b" }] }')} }`],
    [500, `mutation ($views: [RecordPageViewInput!]!) { ${record('{ views: $views }')} }`, { views }],
    [500, `mutation ($input: RecordPageViewsInput!) { ${record('$input')} }`, { input: { views } }],
    [1, `mutation ($view: RecordPageViewInput!) { ${record('{ views: [$view] }')} }`, { view: views[0] }],
    [
      1000,
      `mutation ($i: RecordPageViewsInput!) { a: ${record('$i')} ...F } fragment F on Mutation { ${record('$i')} }`,
      { i: { views } },
    ],
    [3, 'mutation ($ids: [ID!]!) { retryDeadLetters(ids: $ids) { retriedCount } }', { ids: ['a', 'b', 'c'] }],
    [
      2,
      'mutation ($events: [JSONObject!]! = [{}, {}]) { ingestLimitEvents(events: $events) { results { index } } }',
    ],
    [
      10_000,
      'mutation { importUserRange(input: { fromId: 1, toIdExclusive: 10001, patch: {} }) { createdCount } }',
    ],
  ])('are %d in %s', (amount, source, variables) => {
    expect(items(source, variables)).toBe(amount);
  });
});
