import { z } from 'zod';

// Postgres refuses U+0000 in text, and a lone surrogate changes when it is encoded as UTF-8: both are refused at every
// door, so what was accepted comes back as it was sent.
const storable = (value: string): boolean => !value.includes('\0') && value.isWellFormed();

/** Text as people write it: `min`..`max` UTF-16 code units, no U+0000, no lone surrogates. */
export const text = (max: number, min = 1) =>
  z
    .string()
    .min(min, `must have at least ${min} character${min === 1 ? '' : 's'}`)
    .max(max, `must have at most ${max} characters`)
    .refine(storable, 'must not contain U+0000 or lone surrogates');

/** A name given by a caller (user, subject, source): 1..128 characters, no control characters. */
export const name = text(128).regex(/^\P{Cc}*$/u, 'must not contain control characters');

/** A tenant: 1..64 of `A-Za-z0-9_.-`, so that `tenant/user` splits at the first slash. */
export const tenantId = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -');

/** An RFC 3339 date-time; the instant it names, in milliseconds. */
export const instant = z.iso.datetime({ offset: true }).transform((value) => new Date(value));

/** JSON object as stored: at most 16 KB when written as JSON, no U+0000 and no lone surrogates anywhere in it. */
export const jsonObject = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  const json = JSON.stringify(value);
  if (Buffer.byteLength(json) > 16_384)
    context.addIssue({ code: 'custom', message: 'must be at most 16 KB' });
  // JSON.stringify writes both as escapes; a literal backslash before them is escaped itself.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(json)) {
    context.addIssue({ code: 'custom', message: 'must not contain U+0000 or lone surrogates' });
  }
});
