import { readable } from '../domain/dead-letter.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoredDeadLetter } from '../ports/store/dead-letters.ts';
import type { Store } from '../ports/store/store.ts';

/** What a command line needs to look after dead letters, of all tenants. */
interface Deps {
  readonly store: Store;
  readonly clock: Clock;
}

/** Dead letters retried in one transaction. */
const chunkSize = 100;

/** Puts dead letters back on their topics; the ids of those that were there. */
export async function retryLetters(
  { store, clock }: Deps,
  ids: readonly string[],
): Promise<readonly string[]> {
  const retried: string[] = [];
  for (let start = 0; start < ids.length; start += chunkSize) {
    const chunk = ids.slice(start, start + chunkSize);
    const done = await store.transaction((transaction) =>
      transaction.requeueDeadLetters(chunk, {}, clock.now()),
    );
    retried.push(...done);
  }
  return retried;
}

/**
 * Puts all dead letters back, or those of one topic. Goes from the newest to the oldest, so it never comes to those that
 * fail again meanwhile: they are newer.
 */
export async function retryAll(deps: Deps, topic: string | undefined): Promise<readonly string[]> {
  const retried: string[] = [];
  let after: StoredDeadLetter | undefined;
  for (;;) {
    const page = { first: chunkSize, ...(topic !== undefined && { topic }), ...(after && { after }) };
    const letters = await deps.store.deadLetters(page);
    if (letters.length === 0) return retried;
    retried.push(
      ...(await retryLetters(
        deps,
        letters.map(({ id }) => id),
      )),
    );
    after = letters.at(-1);
  }
}

/** A dead letter as JSON holds it. */
export function plainLetter({ payload, offset, ...letter }: StoredDeadLetter) {
  return { ...letter, offset: String(offset), payload: readable(payload) };
}

/** A line for each, under a heading. */
export function letterTable(letters: readonly StoredDeadLetter[]): string {
  const rows = letters.map((letter) => [
    letter.id,
    letter.failedAt.toISOString(),
    printable(placeOf(letter)),
    letter.errorCode,
    printable(letter.errorMessage).slice(0, 80),
  ]);
  const table = [['ID', 'FAILED AT', 'TOPIC/PARTITION/OFFSET', 'CODE', 'MESSAGE'], ...rows];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Everything about one, for people. */
export function letterText(letter: StoredDeadLetter): string {
  const lines = [
    ['id', letter.id],
    ['failed at', letter.failedAt.toISOString()],
    ['tenant', letter.tenantId || '(the record does not say)'],
    ['place', placeOf(letter)],
    ['key', letter.key ?? '(none)'],
    ['headers', JSON.stringify(letter.headers)],
    ['error code', letter.errorCode],
    ['error message', letter.errorMessage],
    ['attempts', String(letter.attempts)],
  ].map(([name = '', value = '']) => `${name.padEnd(13)}  ${printable(value)}`);
  return [...lines, 'payload', readable(letter.payload).split('\n').map(printable).join('\n')].join('\n');
}

const placeOf = ({ topic, partition, offset }: StoredDeadLetter) => `${topic}/${partition}/${offset}`;

/** Without control characters: what a stranger sent must not steer a terminal. */
const printable = (text: string) =>
  text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) =>
    character === '\t' ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
