import { buildSchema, execute, GraphQLError, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../domain/error.ts';
import { graphQLErrorOf, maskError } from './error.ts';

const schema = buildSchema(
  'type Query { count: Int! name(first: Int!): String! thing: Thing } interface Thing { id: ID! }',
);

/** Runs an operation on `rootValue`. Returns its errors as the client sees them, and the log entries. */
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
    ['a resolver throws a string', '{ count }', fail('secret')],
    ['a resolver returns null for a non-null field', '{ count }', { count: null }],
    ['a resolver returns a number that is too large', '{ count }', { count: 2 ** 31 }],
    ['a resolver returns an object of unknown type', '{ thing { id } }', { thing: {} }],
  ];
  it.each(masked)('shows only the request id if %s, and logs the error', async (_, document, rootValue) => {
    const { errors, logged } = await seen(document, rootValue);
    expect(errors).toEqual([
      { message: 'Internal server error.', code: 'INTERNAL_SERVER_ERROR', requestId: 'r1' },
    ]);
    expect(logged).toEqual([{ requestId: 'r1', err: expect.anything() }]);
  });

  it('keeps the message of an AppError, and adds the request id unless the caller is at fault', async () => {
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

  it('shows an error of the request, also if the error occurs while fields are resolved', async () => {
    const { errors } = await seen('query ($first: Int) { name(first: $first) }', { name: 'x' });
    expect(errors).toEqual([expect.objectContaining({ code: 'BAD_USER_INPUT' })]);
  });

  it('shortens a message that quotes a long value', async () => {
    const { errors } = await seen(`{ name(first: "${'x'.repeat(50_000)}") }`, {});
    expect(errors).toEqual([
      {
        message: expect.stringMatching(/^Argument "first" has invalid value "x{400,}.* … .*x{400,}"\.$/),
        code: 'BAD_USER_INPUT',
      },
    ]);
    expect(errors[0]?.message.length).toBeLessThan(1_010);
  });

  it('removes suggested names if introspection is off', () => {
    const error = new GraphQLError('Cannot query field "nam". Did you mean "name" or "count"?');
    const options = { requestId: 'r1', logger: { info() {}, warn() {}, error() {} } };
    expect(maskError(error, { ...options, hideSuggestions: true }).message).toBe('Cannot query field "nam".');
    expect(maskError(error, { ...options, hideSuggestions: false }).message).toBe(error.message);
  });
});
