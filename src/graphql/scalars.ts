import {
  GraphQLError,
  GraphQLID,
  GraphQLScalarType,
  Kind,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql';
import { z } from 'zod';
import { isTimeZone } from '../domain/time.ts';
import { jsonObject, signedDecimal } from '../events/text.ts';

/**
 * Creates a scalar whose values are strings. `parse` returns undefined for an invalid string. The error text
 * does not quote the value.
 */
function stringScalar<T>(options: {
  readonly name: string;
  readonly description: string;
  readonly specifiedByURL?: string;
  readonly expected: string;
  parse(value: string): T | undefined;
  serialize(value: unknown): string;
}): GraphQLScalarType<T, string> {
  const refuse = () => new GraphQLError(`${options.name} must be ${options.expected}.`);
  const read = (value: unknown): T => {
    const parsed = typeof value === 'string' ? options.parse(value) : undefined;
    if (parsed === undefined) throw refuse();
    return parsed;
  };
  return new GraphQLScalarType<T, string>({
    name: options.name,
    description: options.description,
    specifiedByURL: options.specifiedByURL ?? null,
    serialize: options.serialize,
    parseValue: read,
    parseLiteral: (node: ValueNode) => read(node.kind === Kind.STRING ? node.value : undefined),
  });
}

const asString = (value: unknown) => String(value);

// GraphQLID also accepts JSON numbers. JSON.parse rounds numbers beyond 2^53, so a rounded number could name
// another object.
const parseId = GraphQLID.parseValue;
GraphQLID.parseValue = (value) => {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new GraphQLError('ID must be a string, because this number is too large to be exact.');
  }
  return parseId(value);
};

// zod checks the day of the month and the offset. But zod accepts a time without seconds, which RFC 3339 does
// not allow.
const isoDateTime = z.iso.datetime({ offset: true });

// The first instant that PostgreSQL accepts without an era. PostgreSQL has no year 0.
const firstInstant = Date.parse('0001-01-01T00:00:00Z');
// The last instant that toISOString() writes in the form of RFC 3339. Later years get a sign and six digits.
const lastInstant = Date.parse('9999-12-31T23:59:59.999Z');

export const DateTime = stringScalar<Date>({
  name: 'DateTime',
  description:
    'A time in RFC 3339 with an offset, e.g. `2026-11-20T09:00:00Z` or `2026-11-20T10:00:00.123+01:00`. Results are in UTC with milliseconds. Unseen refuses a missing offset, 30 February, 24:00, second 60, and years after 9999 in UTC.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339#section-5.6',
  expected: 'an RFC 3339 date-time with zone, e.g. 2026-11-20T09:00:00Z',
  parse(value) {
    if (!/T\d\d:\d\d:\d\d/.test(value) || !isoDateTime.safeParse(value).success) return undefined;
    const instant = new Date(value);
    return instant.getTime() < firstInstant || instant.getTime() > lastInstant ? undefined : instant;
  },
  serialize: (value) => (value as Date).toISOString(),
});

export const LocalDate = stringScalar<string>({
  name: 'LocalDate',
  description: 'A calendar day, `YYYY-MM-DD`, in the time zone of the stats.',
  expected: 'a calendar day, YYYY-MM-DD',
  parse: (value) => (z.iso.date().safeParse(value).success ? value : undefined),
  serialize: asString,
});

export const TimeZone = stringScalar<string>({
  name: 'TimeZone',
  description:
    'An IANA time zone name that this server knows, such as `Europe/Berlin` or `UTC`. Offsets such as `+02:00` are refused, because they have no daylight saving time.',
  specifiedByURL: 'https://www.iana.org/time-zones',
  expected: 'an IANA time zone name, e.g. Europe/Berlin',
  parse: (value) => (isTimeZone(value) ? value : undefined),
  serialize: asString,
});

export const IdempotencyKey = stringScalar<string>({
  name: 'IdempotencyKey',
  description:
    'A key that identifies one intended change, so that a retry does not repeat the change. 1 to 128 characters of `A-Z a-z 0-9 _ . : -`. A key belongs to one tenant, one caller and one mutation. The same key with other input is refused with IDEMPOTENCY_CONFLICT.',
  expected: '1 to 128 of A-Z a-z 0-9 _ . : -',
  parse: (value) => (/^[A-Za-z0-9_.:-]{1,128}$/.test(value) ? value : undefined),
  serialize: asString,
});

export const BigIntScalar = stringScalar<bigint>({
  name: 'BigInt',
  description: 'A 64-bit integer as a string, e.g. `"9007199254740993"`. A JSON number is refused.',
  expected: 'a 64-bit integer as a string, e.g. "42"',
  parse: (value) =>
    /^-?\d{1,19}$/.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value)
      ? BigInt(value)
      : undefined,
  serialize: asString,
});

export const Decimal = stringScalar<string>({
  name: 'Decimal',
  description:
    'An exact decimal number as a string with at most 38 digits, e.g. `"9800.00"`. Trailing zeros are preserved. A JSON number, commas, an exponent and a plus sign are refused.',
  expected: 'an exact decimal of at most 38 digits as a string, e.g. "9800.00"',
  parse: (value) => (signedDecimal.safeParse(value).success ? value : undefined),
  serialize: asString,
});

function readJsonObject(value: unknown): Record<string, unknown> {
  const parsed = jsonObject.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new GraphQLError(`JSONObject ${parsed.error.issues[0]?.message}.`);
}

export const JSONObject = new GraphQLScalarType({
  name: 'JSONObject',
  description:
    'A JSON object of at most 16 KB as UTF-8, without U+0000 and lone surrogates. Unseen stores the object unchanged.',
  serialize: (value) => value,
  parseValue: readJsonObject,
  parseLiteral: (node, variables) => readJsonObject(valueFromASTUntyped(node, variables)),
});
