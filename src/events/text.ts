import { z } from 'zod';

// PostgreSQL refuses U+0000 in text, and a lone surrogate changes when it is encoded as UTF-8. Every input
// refuses both, so that accepted text is returned unchanged.
const isStorable = (value: string): boolean => !value.includes('\0') && value.isWellFormed();

/**
 * A string with all its problems in one check. Each separate check would cost as much as parsing the JSON.
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

/** Free text: `min`..`max` UTF-16 code units, no U+0000, no lone surrogates. */
export const text = (max: number, min = 1) =>
  checkedString(textProblems(max, min)).meta({ minLength: min, maxLength: max });

const nameProblems = textProblems(128, 1);

/** A name that a caller chooses (user, subject, source): 1..128 characters, no control characters. */
export const name = checkedString((value) =>
  /^\P{Cc}*$/u.test(value)
    ? nameProblems(value)
    : [...nameProblems(value), 'must not contain control characters'],
).meta({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' });

/** A tenant: 1..64 of `A-Za-z0-9_.-`, so that `tenant/user` splits at the first slash. */
export const tenantId = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');

/** A collection of items: 1..64 of `A-Za-z0-9_.-`, because the key of a badge contains it. */
export const collectionName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');

/** Parses an RFC 3339 date-time to an instant, in milliseconds. */
export const instant = z.iso.datetime({ offset: true }).transform((value) => new Date(value));

/** An instant that may already be parsed. */
export const moment = z.union([z.date(), instant]);

/** The most digits of a decimal, before and after the point together. */
const maxDigits = 38;

/**
 * An exact decimal as text, for example `9800.00`, which keeps its digits. A JSON number is refused, because
 * it may have lost digits.
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

/** The most levels of a JSON object, well below the depth that exhausts the stack of Node or PostgreSQL. */
const maxJsonDepth = 100;

/**
 * A JSON object: at most 16 KB as JSON and 100 levels, without U+0000, lone surrogates and inexact numbers.
 * The result is the object itself, because a copy would lose a key `__proto__`.
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
  // 1e999 is Infinity and would be stored as null. An integer beyond 2^53 has already lost digits.
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
  // JSON.stringify writes both as escapes. It also escapes a literal backslash before them.
  const isUnstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(json);
  return isUnstorable ? 'must not contain U+0000 or lone surrogates' : undefined;
}
