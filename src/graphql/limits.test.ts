import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { defaultLimits, limitsRule } from './limits.ts';

const schema = buildSchema(`
  type Query { me: Person people(first: Int = 25): People! top(first: Int! = 5): [Person!]! }
  type People { nodes: [Person!]! edges: [Edge!]! count: Int! }
  type Edge { node: Person! }
  type Person { name: String! friends(first: Int = 25): People! boss: Person }
  type Mutation { greet: Person }
`);

/** What the rule says, as `code: message`. */
const said = (document: string, limits = {}) =>
  validate(schema, parse(document), [limitsRule({ ...defaultLimits, ...limits })]).map(
    ({ message, extensions }) => `${extensions['code']}: ${message}`,
  );

describe('cost', () => {
  const costs: [cost: number, document: string][] = [
    [0, '{ __typename }'],
    [1, '{ me { name } }'],
    [2, '{ me { name boss { name } } }'],
    [26, '{ people { nodes { name } } }'],
    [26, '{ people(first: null) { nodes { name } } }'],
    [11, '{ people(first: 10) { nodes { name } } }'],
    [21, '{ people(first: 10) { edges { node { name } } } }'],
    [101, '{ people(first: 100) { nodes { name } } }'],
    [101, '{ people(first: 5000) { nodes { name } } }'],
    [2, '{ people(first: -5) { nodes { name } } }'],
    [101, 'query ($first: Int) { people(first: $first) { nodes { name } } }'],
    [101, 'query ($first: Int = 1) { people(first: $first) { nodes { name } } }'],
    [1, '{ people(first: 100) { count } }'],
    [5, '{ top { name } }'],
    [20, '{ top(first: 10) { name boss { name } } }'],
    [121, '{ people(first: 10) { nodes { friends(first: 10) { nodes { name } } } } }'],
    [4, '{ me { ...Boss boss { ...Boss } } } fragment Boss on Person { boss { name } }'],
    [3, '{ me { ... on Person { boss { name } } ... { boss { name } } } }'],
    [0, '{ __schema { types { fields { type { name } } } } }'],
  ];
  it.each(costs)('is %d for %s', (cost, document) => {
    expect(said(document, { maxCost: cost })).toEqual([]);
    if (cost === 0) return;
    expect(said(document, { maxCost: cost - 1 })).toEqual([
      `QUERY_TOO_COMPLEX: The operation has ${cost} objects at most; ${cost - 1} are allowed.`,
    ]);
  });
});

describe('the other limits', () => {
  const counted: [limit: string, amount: number, document: string][] = [
    ['maxDepth', 4, '{ me { boss { boss { name } } } }'],
    [
      'maxDepth',
      4,
      '{ me { ...A } } fragment A on Person { boss { ...B } } fragment B on Person { boss { name } }',
    ],
    ['maxDepth', 1, '{ __schema { types { fields { type { name } } } } }'],
    ['maxAliases', 3, '{ a: me { b: name boss { c: name } } }'],
    ['maxAliases', 2, '{ me { ...A boss { ...A } } } fragment A on Person { a: name }'],
    ['maxAliases', 2, '{ __schema { types { a: name b: kind } } }'],
    ['maxDirectives', 3, 'query @a { me @b { ... @c { name } } }'],
    ['maxDirectives', 2, '{ me { ...A boss { ...A } } } fragment A on Person { name @a }'],
    ['maxRootFields', 3, '{ me { name } ...A } fragment A on Query { a: __typename b: __typename }'],
    ['maxMutations', 2, 'mutation { a: greet { name } b: greet { name } }'],
  ];
  it.each(counted)('%s counts %d in %s', (limit, amount, document) => {
    expect(said(document, { [limit]: amount })).toEqual([]);
    expect(said(document, { [limit]: amount - 1 })).toEqual([
      expect.stringMatching(
        new RegExp(`^BAD_USER_INPUT: The operation has ${amount} .*; ${amount - 1} are allowed`),
      ),
    ]);
  });

  it('are held by every operation of a document, whichever will run', () => {
    expect(
      said('query A { me { name } } query B { people(first: 100) { nodes { name } } }', { maxCost: 50 }),
    ).toHaveLength(1);
  });

  it('measure fragments that double a hundred times, or spread themselves, in no time', () => {
    const fragments = Array.from(
      { length: 100 },
      (_, i) => `fragment F${i} on Person { boss { ...F${i + 1} } boss { ...F${i + 1} } }`,
    );
    const doubling = `{ me { ...F0 } } ${fragments.join(' ')} fragment F100 on Person { name }`;
    const since = performance.now();
    expect(said(doubling).join()).toContain('QUERY_TOO_COMPLEX');
    expect(
      said('{ me { ...A } } fragment A on Person { boss { ...B } } fragment B on Person { boss { ...A } }'),
    ).toEqual([]);
    expect(performance.now() - since).toBeLessThan(1_000);
  });
});
