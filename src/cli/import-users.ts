import { z } from 'zod';
import { isTimeZone } from '../domain/time.ts';
import type { UserPatch } from '../domain/user.ts';
import { name } from '../events/text.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';

/** Users written in one transaction. */
const batchSize = 2_000;

/** A longer line is not read to its end. */
const maxLineBytes = 10_000;

/** A user to create or change, or why a line names none. */
export type ImportLine =
  | { readonly userId: string; readonly patch: UserPatch }
  | { readonly line: number; readonly reason: string };

/** How far an import has come. */
export interface ImportCounts {
  created: number;
  updated: number;
  refused: number;
}

/**
 * Creates or changes users, a batch at a time: whoever is interrupted begins again, which changes nothing that is done.
 * `counts` is kept up to date, and `onBatch` called after each batch.
 */
export async function importUsers(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  tenantId: string,
  lines: AsyncIterable<ImportLine> | Iterable<ImportLine>,
  {
    counts,
    onRefused,
    onBatch,
  }: {
    readonly counts: ImportCounts;
    onRefused(line: number, reason: string): void;
    onBatch(): void;
  },
): Promise<void> {
  // A user who comes twice is changed by both, the later on top.
  let batch = new Map<string, UserPatch>();
  let repeats = 0;

  async function write(): Promise<void> {
    const patches = [...batch].map(([userId, patch]) => ({ tenantId, userId, patch }));
    const written = await store.transaction((transaction) => transaction.patchUsers(patches, clock.now()));
    const created = written.filter(Boolean).length;
    counts.created += created;
    counts.updated += written.length - created + repeats;
    batch = new Map();
    repeats = 0;
    onBatch();
  }

  for await (const line of lines) {
    if ('reason' in line) {
      counts.refused += 1;
      onRefused(line.line, line.reason);
      continue;
    }
    const earlier = batch.get(line.userId);
    if (earlier) repeats += 1;
    batch.set(line.userId, { ...earlier, ...line.patch });
    if (batch.size >= batchSize) await write();
  }
  if (batch.size > 0) await write();
}

/** The users of `first..last`, both included, each with the same patch. */
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

/** Users from JSON Lines: an object per line, empty lines skipped. What a line does not say, `patch` says. */
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

/** Lines without their ends; of one that is too long as much as shows it. */
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
