import { buildSchema, execute, GraphQLError, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../domain/error.ts';
import { graphQLErrorOf, maskError } from './error.ts';

const schema = buildSchema(
  'type Query { count: Int! name(first: Int!): String! thing: Thing } interface Thing { id: ID! }',
);

/** What a client sees of the errors of an operation whose resolvers answer from `rootValue`. */
async function seen(document: string, rootValue: object, hideSuggestions = false) {
  const logged: unknown[] = [];
  const log = (fields: object) => void logged.push(fields);
  const result = await execute({ schema, document: parse(document), rootValue });
  const logger = { info: log, warn: log, error: log };
  const errors = (result.errors ?? []).map((error) =>
    maskError(error, { requestId: 'r1', hideSuggestions, logger }),
  );
  return { errors: errors.map(({ message, extensions }) => ({ message, ...extensions })), logged };
}

const fail = (error: unknown) => ({
  count: () => {
    throw error;
  },
});

describe('masking', () => {
  const masked: [what: string, document: string, rootValue: object][] = [
    ['a resolver throws', '{ count }', fail(new TypeError('secret of /src/adapters/postgres'))],
    ['a resolver throws what is no error', '{ count }', fail('secret')],
    ['a resolver answers null where it may not', '{ count }', { count: null }],
    ['a resolver answers a number that is too large', '{ count }', { count: 2 ** 31 }],
    ['a resolver answers what no type knows', '{ thing { id } }', { thing: {} }],
  ];
  it.each(masked)('tells nothing but the request id when %s, and logs it', async (_, document, rootValue) => {
    const { errors, logged } = await seen(document, rootValue);
    expect(errors).toEqual([
      { message: 'Internal server error.', code: 'INTERNAL_SERVER_ERROR', requestId: 'r1' },
    ]);
    expect(logged).toEqual([{ requestId: 'r1', err: expect.anything() }]);
  });

  it('keeps what the table says, and the request id where it is not the caller who is at fault', async () => {
    const input = new AppError('BAD_USER_INPUT', 'first must be 1 to 100.');
    expect(await seen('{ count }', fail(input))).toEqual({
      errors: [{ message: 'first must be 1 to 100.', code: 'BAD_USER_INPUT' }],
      logged: [],
    });
    const away = new AppError('UNAVAILABLE', 'Try again.', {
      cause: new Error('connect ECONNREFUSED 10.0.0.1'),
    });
    expect((await seen('{ count }', fail(graphQLErrorOf(away)))).errors).toEqual([
      { message: 'Try again.', code: 'UNAVAILABLE', requestId: 'r1' },
    ]);
  });

  it('keeps what the request got wrong, while fields are resolved as well', async () => {
    const { errors } = await seen('query ($first: Int) { name(first: $first) }', { name: 'x' });
    expect(errors).toEqual([expect.objectContaining({ code: 'BAD_USER_INPUT' })]);
  });

  it('does not send back at length what the request sent', async () => {
    const { errors } = await seen(`{ name(first: "${'x'.repeat(50_000)}") }`, {});
    expect(errors).toEqual([
      {
        message: expect.stringMatching(/^Argument "first" has invalid value "x{400,}.* … .*x{400,}"\.$/),
        code: 'BAD_USER_INPUT',
      },
    ]);
    expect(errors[0]?.message.length).toBeLessThan(1_010);
  });

  it('leaves out names that the request did not name, where the schema is not to be read', () => {
    const error = new GraphQLError('Cannot query field "nam". Did you mean "name" or "count"?');
    const options = { requestId: 'r1', logger: { info() {}, warn() {}, error() {} } };
    expect(maskError(error, { ...options, hideSuggestions: true }).message).toBe('Cannot query field "nam".');
    expect(maskError(error, { ...options, hideSuggestions: false }).message).toBe(error.message);
  });
});
