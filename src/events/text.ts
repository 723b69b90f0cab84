import { z } from 'zod';

// PostgreSQL refuses U+0000 in text. A lone surrogate changes when it is encoded as UTF-8. Every input
// refuses both characters, so that accepted text is returned unchanged.
const isStorable = (value: string): boolean => !value.includes('\0') && value.isWellFormed();

/**
 * A string schema that finds all problems in one check. Each additional check would take as much time as
 * parsing the JSON.
 */
const checkedString = (problemsOf: (value: string) => readonly (string | false)[]) =>
  z.string().check(({ value, issues }) => {
    for (const message of problemsOf(value)) {
      if (message !== false) issues.push({ code: 'custom', message, input: value });
    }
  });

const none: readonly false[] = [];

const textProblems = (max: number, min: number) => {
  const tooShort = `must have at least ${min} character${min === 1 ? '' : 's'}`;
  const tooLong = `must have at most ${max} characters`;
  return (value: string) =>
    value.length >= min && value.length <= max && isStorable(value)
      ? none
      : [
          value.length < min && tooShort,
          value.length > max && tooLong,
          !isStorable(value) && 'must not contain U+0000 or lone surrogates',
        ];
};

/** Text of `min` to `max` UTF-16 code units, without U+0000 and lone surrogates. */
export const text = (max: number, min = 1) =>
  checkedString(textProblems(max, min)).meta({ minLength: min, maxLength: max });

const nameProblems = textProblems(128, 1);

/**
 * A name that a caller chooses, for example of a user, a subject or a source. 1..128 characters without
 * control characters.
 */
export const name = checkedString((value) =>
  /^\P{Cc}*$/u.test(value)
    ? nameProblems(value)
    : [...nameProblems(value), 'must not contain control characters'],
).meta({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' });

/**
 * The id of a tenant: 1..64 of `A-Za-z0-9_.-`. A tenant id contains no slash, so `tenant/user` can be split
 * at the first slash.
 */
export const tenantId = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');

/**
 * The name of a collection of items: 1..64 of `A-Za-z0-9_.-`. The characters are restricted because the key
 * of a badge contains the name.
 */
export const collectionName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');

/** Parses an RFC 3339 date-time. The result has milliseconds. */
export const instant = z.iso.datetime({ offset: true }).transform((value) => new Date(value));

/** A date, or an RFC 3339 date-time to parse. */
export const moment = z.union([z.date(), instant]);

/** The maximum number of digits of a decimal, including its decimals. */
const maxDigits = 38;

/**
 * An exact decimal as text, for example `9800.00`. All digits are kept. A JSON number is refused, because it
 * may have lost digits.
 */
export const signedDecimal = z
  .string('must be a decimal as text, e.g. "9800.00"')
  .regex(
    /^-?(0|[1-9]\d*)(\.\d+)?$/,
    'must be digits, with a point before decimals, e.g. "9800.00": no commas, exponents or other signs',
  )
  .refine(
    (value) => value.length <= maxDigits || value.replace(/[-.]/g, '').length <= maxDigits,
    `must have at most ${maxDigits} digits`,
  )
  .meta({ description: `An exact decimal, at most ${maxDigits} digits.` });

/** A decimal of 0 or more. */
export const decimal = signedDecimal
  .refine((value) => !value.startsWith('-'), 'must not be negative')
  .meta({ description: `An exact decimal of 0 or more, at most ${maxDigits} digits.` });

/**
 * The maximum number of nested levels of a JSON object. The maximum is well below the depth that exhausts the
 * stack of Node or PostgreSQL.
 */
const maxJsonDepth = 100;

/**
 * A JSON object of at most 16 KB as JSON and 100 levels, without U+0000, lone surrogates and inexact numbers.
 * The result is the input object itself, because a copy would lose a key `__proto__`.
 */
export const jsonObject = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be a JSON object',
  )
  .superRefine((value, context) => {
    const message = jsonProblem(value) ?? writtenProblem(JSON.stringify(value));
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .meta({
    type: 'object',
    description: `At most 16 KB as JSON and ${maxJsonDepth} levels. No numbers beyond 2^53.`,
  });

function jsonProblem(value: unknown, depth = 1): string | undefined {
  // JavaScript reads 1e999 as Infinity, which would be stored as null. An integer beyond 2^53 has already
  // lost digits.
  if (typeof value === 'number') {
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
    return isExact ? undefined : 'must not contain numbers beyond 2^53: send them as strings';
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > maxJsonDepth) return `must not be nested deeper than ${maxJsonDepth} levels`;
  for (const inner of Object.values(value)) {
    const problem = jsonProblem(inner, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function writtenProblem(json: string): string | undefined {
  if (Buffer.byteLength(json) > 16_384) return 'must be at most 16 KB';
  // JSON.stringify writes U+0000 and lone surrogates as escapes. It also writes a backslash before a literal
  // backslash, so the number of backslashes decides.
  const isUnstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(json);
  return isUnstorable ? 'must not contain U+0000 or lone surrogates' : undefined;
}
