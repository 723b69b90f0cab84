import { inspect } from 'node:util';
import {
  type DocumentNode,
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLError,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  getOperationAST,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { silent } from '../../ports/logger.ts';
import { DateTime } from '../scalars.ts';
import { compile } from './compile.ts';
import type { Context } from './context.ts';
import { always } from './cost-table.ts';
import { maskError } from './error.ts';
import { createOperations } from './operation.ts';

const mode = new GraphQLEnumType({ name: 'Mode', values: { LOUD: {}, QUIET: {} } });
const input = new GraphQLInputObjectType({
  name: 'Window',
  fields: {
    days: { type: new GraphQLNonNull(GraphQLInt), defaultValue: 7 },
    mode: { type: new GraphQLNonNull(mode), defaultValue: 'LOUD' },
    from: { type: DateTime },
    ids: { type: new GraphQLList(new GraphQLNonNull(GraphQLID)) },
  },
});
const node = new GraphQLInterfaceType({
  name: 'Node',
  fields: { id: { type: new GraphQLNonNull(GraphQLID) } },
  resolveType: ({ __typename }: { readonly __typename: string }) => __typename,
});
const thing: GraphQLObjectType = new GraphQLObjectType({
  name: 'Thing',
  interfaces: [node],
  fields: () => ({
    id: { type: new GraphQLNonNull(GraphQLID) },
    at: { type: DateTime },
    count: { type: new GraphQLNonNull(GraphQLInt) },
    others: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(thing))) },
    unread: { type: GraphQLInt },
    late: { type: GraphQLInt, resolve: async ({ id }) => Number(id) },
    failing: {
      type: GraphQLInt,
      resolve({ id }) {
        if (id === '2') throw new GraphQLError('no', { extensions: { code: 'NO' } });
        return 1;
      },
    },
    strict: {
      type: new GraphQLNonNull(GraphQLInt),
      resolve: ({ id }) => (id === '2' ? Promise.reject(new Error('gone')) : 1),
    },
  }),
});
const other = new GraphQLObjectType({
  name: 'Other',
  interfaces: [node],
  fields: { id: { type: new GraphQLNonNull(GraphQLID) }, name: { type: GraphQLString } },
});

const leaf = (id: string) => ({
  __typename: 'Thing',
  id,
  at: new Date(Number(id)),
  count: Number(id),
  others: [],
  unread: () => 1,
});
const nodes = [
  { ...leaf('1'), others: [leaf('2'), leaf('3')] },
  { __typename: 'Other', id: 'o', name: null },
];

/** The mutations that ran, in order. */
const ran: string[] = [];

const schema = new GraphQLSchema({
  types: [thing, other],
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      nodes: { type: new GraphQLList(node), resolve: () => nodes },
      things: { type: new GraphQLList(thing), resolve: async () => [leaf('1'), null, leaf('2'), leaf('3')] },
      broken: {
        type: new GraphQLList(thing),
        resolve: () => [
          { id: '1', count: null },
          { id: '4', count: 1 },
        ],
      },
      echo: {
        type: GraphQLString,
        args: {
          window: { type: input },
          from: { type: DateTime },
          first: { type: GraphQLInt, defaultValue: 25 },
          id: { type: GraphQLID },
          is: { type: new GraphQLNonNull(GraphQLBoolean), defaultValue: true },
        },
        // `inspect` sorts the arguments, and writes a Date in another form than a string.
        resolve: (_, args) => inspect(args, { sorted: true, depth: 5 }),
      },
    },
  }),
  mutation: new GraphQLObjectType({
    name: 'Mutation',
    fields: {
      count: {
        type: thing,
        args: { id: { type: GraphQLID } },
        resolve: async (_, { id }) => {
          ran.push(id);
          return { ...leaf(id), ...(id === '9' && { count: null }) };
        },
      },
      refuse: {
        type: new GraphQLNonNull(GraphQLString),
        resolve: async () => {
          ran.push('refused');
          throw new Error('no');
        },
      },
    },
  }),
});

const size = { size: always(5) };
const costs = { 'Query.nodes': size, 'Query.things': size, 'Query.broken': size, 'Thing.others': size };

async function run(usesToCompile: number, source: string, variables?: Record<string, unknown>) {
  const operations = createOperations(schema, { introspection: true, costs, usesToCompile });
  const document = operations.prepare(source);
  if ('length' in document) throw new Error(document[0]?.message);
  const operation = getOperationAST(document);
  if (!operation) throw new Error('no operation');
  const { data, errors } = await operations.execute({
    document,
    operation,
    variables,
    context: {} as Context,
  });
  const masked = errors?.map((error) =>
    maskError(error, { requestId: 'r', hideSuggestions: false, logger: silent }),
  );
  // The order of the errors may differ.
  const sortedErrors = masked?.map((error) => JSON.stringify(error)).sort();
  return {
    isCompiled: compile(schema, document, operation) !== undefined,
    answer: JSON.stringify({ data, errors: sortedErrors }),
  };
}

describe('a query', () => {
  const window = 'query ($window: Window) { echo(window: $window) }';
  it.each<[string, Record<string, unknown>?]>([
    ['{ things { id at count late failing } }'],
    ['{ things { strict } }'],
    // The property is a function and the field has no resolver. The field fails both in interpreted and in
    // compiled operations.
    ['{ things { unread } }'],
    ['{ broken { id count } }'],
    ['{ nodes { __typename id ... on Thing { late others { id late failing } } ... on Other { name } } }'],
    ['{ a: things { id } b: things { at } ...F } fragment F on Query { nodes { id } }'],
    ['{ __schema { queryType { name } } __type(name: "Thing") { name } }'],
    ['{ echo }'],
    ['{ echo(first: 3, id: "x", is: false) }'],
    ['query ($first: Int) { echo(first: $first) }'],
    ['query ($first: Int) { echo(first: $first) }', { first: null }],
    ['query ($first: Int = 9, $id: ID) { echo(first: $first, id: $id) }', { id: 7 }],
    [window, {}],
    [window, { window: {} }],
    [window, { window: { from: '2026-11-20T09:00:00Z', ids: 'one' } }],
    [window, { window: { mode: 'QUIET', days: 3, ids: ['a', 'b'] } }],
    ['query ($from: DateTime = "2026-11-20T09:00:00Z") { echo(from: $from) }'],
  ])(
    'gives the same answer if it is compiled and if it is interpreted: %s with %j',
    async (source, variables) => {
      const compiled = await run(1, source, variables);
      expect(compiled).toEqual({ isCompiled: true, answer: (await run(2, source, variables)).answer });
    },
  );

  it.each<[string, Record<string, unknown>?]>([
    [window, { window: { days: null } }],
    [window, { window: { mode: 'NONE' } }],
    [window, { window: { from: '2026-02-30T00:00:00Z' } }],
    [window, { window: { more: 1 } }],
    ['query ($id: ID) { echo(id: $id) }', { id: 2 ** 60 }],
    ['query ($first: Int!) { echo(first: $first) }', {}],
  ])(
    'does not run with invalid variables, neither compiled nor interpreted: %s with %j',
    async (source, variables) => {
      for (const usesToCompile of [1, 2]) {
        const { isCompiled, answer } = await run(usesToCompile, source, variables);
        expect({ isCompiled, answer }).toMatchObject({
          isCompiled: true,
          answer: expect.stringMatching(/^\{"errors":/),
        });
      }
    },
  );

  it('reports at most 11 errors for a list in its variables, both if it is compiled and if it is interpreted', async () => {
    const variables = { window: { ids: Array.from({ length: 1_000 }, () => ({})) } };
    const errorsOf = ({ answer }: { readonly answer: string }) => JSON.parse(answer).errors.length as number;
    expect(errorsOf(await run(1, window, variables))).toBe(11);
    expect(errorsOf(await run(2, window, variables))).toBe(11);
  });

  it.each<[string, Record<string, unknown>?]>([
    ['{ echo(from: "2026-11-20T09:00:00Z") }'],
    ['{ echo(window: { days: 1 }) }'],
    ['{ echo(id: null) }'],
    ['query ($is: Boolean!) { things { id @include(if: $is) } }', { is: true }],
    ['{ things { id @skip(if: true) count @include(if: true) } }'],
    ['{ b: things { ...F @skip(if: true) count } a: things { ...F } } fragment F on Thing { id }'],
    ['query ($constructor: Int) { echo(first: $constructor) }'],
    [
      'query ($toString: ID, $__proto__: Int) { echo(id: $toString, first: $__proto__) }',
      JSON.parse('{"toString":"t","__proto__":4}'),
    ],
    ['query ($hasOwnProperty: Boolean!) { echo(is: $hasOwnProperty) }', { hasOwnProperty: false }],
    ['{ __proto__: echo constructor: echo things { __proto__: id valueOf: count } }'],
    [
      '{ things { ...toString ...__proto__ } } fragment toString on Thing { id } fragment __proto__ on Thing { count }',
    ],
  ])('is interpreted if graphql-jit would run it incorrectly: %s', async (source, variables) => {
    const { isCompiled, answer } = await run(1, source, variables);
    expect({ isCompiled, answer }).toEqual({
      isCompiled: false,
      answer: (await run(2, source, variables)).answer,
    });
  });
});

describe('a mutation', () => {
  it.each<[string, boolean, readonly string[], Record<string, unknown>?]>([
    ['mutation ($id: ID) { count(id: $id) { id at late failing } }', true, ['1'], { id: '1' }],
    ['mutation { one: count(id: "9") { id count } }', true, ['9']],
    ['mutation { refuse }', true, ['refused']],
    ['mutation { a: count(id: "1") { id } b: count(id: "2") { id } }', false, ['1', '2']],
    ['mutation { a: count(id: "1") { id } refuse b: count(id: "2") { id } }', false, ['1', 'refused']],
    ['mutation { ...F } fragment F on Mutation { a: count(id: "1") { id } refuse }', false, ['1', 'refused']],
  ])(
    'runs once and gives the same answer if it is compiled and if it is interpreted: %s',
    async (source, isCompiled, runs, variables) => {
      const answers: string[] = [];
      for (const usesToCompile of [1, 2]) {
        ran.length = 0;
        const found = await run(usesToCompile, source, variables);
        expect(found.isCompiled).toBe(isCompiled);
        expect(ran).toEqual(runs);
        answers.push(found.answer);
      }
      expect(answers[0]).toBe(answers[1]);
      expect(answers[0]).toContain('"data"');
    },
  );
});

describe('documents', () => {
  const operations = () => createOperations(schema, { introspection: true, costs, maxKeptBytes: 500_000 });
  /** A document of about 110 tokens. */
  const large = (n: number) => `{ echo(first: ${n}, window: { ids: [${'"a" '.repeat(100)}] }) }`;
  const sources = Array.from({ length: 20 }, (_, n) => large(n));
  /**
   * Counts how many of the documents are still cached, from the newest to the oldest. Stops at the first
   * document that is not cached, because preparing this document can evict a cached document.
   */
  const kept = (documents: readonly unknown[], prepare: (source: string) => unknown, texts = sources) => {
    let count = 0;
    while (count < texts.length && prepare(texts.at(-1 - count) as string) === documents.at(-1 - count))
      count += 1;
    return count;
  };

  it('are cached from the second request on', () => {
    const { prepare } = operations();
    const [first, second, third] = Array.from({ length: 3 }, () => prepare(large(1)));
    expect(second).not.toBe(first);
    expect(third).toBe(second);
  });

  it('are not evicted from the cache by documents that are requested once', () => {
    const { prepare } = operations();
    prepare(large(-1));
    const again = prepare(large(-1));
    for (const source of sources) prepare(source);
    expect(prepare(large(-1))).toBe(again);
  });

  it('are cached up to a number of bytes, which is estimated from their tokens', () => {
    const { prepare } = operations();
    const documents = sources.map((source) => [prepare(source), prepare(source)][1] as DocumentNode);
    const tokens = documents.at(-1)?.tokenCount ?? 0;
    const count = kept(documents, prepare);
    expect(count).toBeGreaterThan(5);
    expect(count * tokens * 512).toBeLessThan(500_000);
  });

  it('are cached up to a number of bytes, which includes long comments', () => {
    const { prepare } = operations();
    const texts = Array.from({ length: 20 }, (_, n) => `#${'x'.repeat(30_000)}\n{ echo(first: ${n}) }`);
    const documents = texts.map((source) => [prepare(source), prepare(source)][1]);
    expect(kept(documents, prepare, texts)).toBe(7);
  });
});
