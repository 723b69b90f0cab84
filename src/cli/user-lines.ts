import { z } from 'zod';
import { isTimeZone } from '../domain/time.ts';
import type { UserPatch } from '../domain/user.ts';
import { name } from '../events/text.ts';

/** The maximum length of a line, in bytes. */
const maxLineBytes = 10_000;

/** A user to create or change, or the reason why a line cannot be imported. */
export type ImportLine =
  | { readonly userId: string; readonly patch: UserPatch }
  | { readonly line: number; readonly reason: string };

/** Yields the users from `first` to `last`, including both, with the same patch. */
export function* usersOfRange(first: number, last: number, patch: UserPatch): Iterable<ImportLine> {
  for (let id = first; id <= last; id += 1) yield { userId: String(id), patch };
}

const userLine = z.strictObject({
  userId: name,
  timeZone: z
    .string()
    .refine(isTimeZone, 'must be an IANA time zone, e.g. Europe/Berlin')
    .nullable()
    .optional(),
  canReceiveNotifications: z.boolean().nullable().optional(),
});

/**
 * Yields the user of each line of a JSON Lines file. Skips empty lines. `patch` has the values of fields that
 * are missing in a line.
 */
export async function* usersOfLines(
  bytes: AsyncIterable<Uint8Array>,
  patch: UserPatch,
): AsyncIterable<ImportLine> {
  let line = 0;
  for await (const text of linesOf(bytes)) {
    line += 1;
    if (text.length > 0) yield { ...userOfLine(text, patch), line };
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function userOfLine(
  bytes: Buffer,
  patch: UserPatch,
): { readonly userId: string; readonly patch: UserPatch } | { readonly reason: string } {
  if (bytes.byteLength > maxLineBytes) return { reason: `longer than ${maxLineBytes} bytes` };
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    return { reason: error instanceof SyntaxError ? 'not JSON' : 'not UTF-8' };
  }
  const parsed = userLine.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => [...path, message].join(' '));
    return { reason: problems.join('; ') };
  }
  const { userId, ...own } = parsed.data;
  return { userId, patch: { ...patch, ...own } };
}

/**
 * Yields lines without their line ends. Cuts a line that is too long, but yields more than `maxLineBytes` of
 * it, so that the caller notices.
 */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  let rest = Buffer.alloc(0);
  const withRest = (piece: Uint8Array) => Buffer.concat([rest, piece.subarray(0, maxLineBytes + 1)]);
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield withoutReturn(withRest(chunk.subarray(start, end)));
      rest = Buffer.alloc(0);
      start = end + 1;
    }
    rest = withRest(chunk.subarray(start)).subarray(0, maxLineBytes + 1);
  }
  if (rest.length > 0) yield rest;
}

const withoutReturn = (line: Buffer) => (line.at(-1) === 13 ? line.subarray(0, -1) : line);
