import type { Command } from 'commander';
import { readable } from '../domain/dead-letter.ts';
import type { Clock } from '../ports/clock.ts';
import type { StoredDeadLetter } from '../ports/store/dead-letters.ts';
import type { Store } from '../ports/store/store.ts';
import { letterId, limit } from './arguments.ts';
import { counted, refuse, textTable } from './output.ts';
import { withStore } from './with-store.ts';

export function register(program: Command): void {
  const dlq = program
    .command('dlq')
    .description(
      'List, show and retry dead letters: events that could not be applied. Covers all tenants and works while the server runs.',
    );
  dlq
    .command('ls')
    .description('List dead letters, newest first.')
    .option('--topic <topic>', 'list only dead letters of this topic')
    .option('--code <code>', 'list only dead letters with this error code')
    .option('--limit <number>', 'how many to list, 1 to 1000', limit, 50)
    .option('--json', 'print a JSON array, with payloads')
    .action(list);
  dlq
    .command('show')
    .description('Show everything about one dead letter.')
    .argument('<id>', 'the id as `unseen dlq ls` prints it', letterId)
    .option('--json', 'print JSON')
    .action(show);
  const retry = dlq
    .command('retry')
    .description(
      'Put dead letters back on their topics to apply them again. An event that fails again becomes a new dead letter.',
    )
    .argument('[ids...]', 'ids as `unseen dlq ls` prints them', (id: string, ids: readonly string[] = []) => [
      ...ids,
      letterId(id),
    ])
    .option('--all', 'retry all dead letters')
    .option('--topic <topic>', 'with --all: retry only dead letters of this topic')
    .action((ids: readonly string[], { all = false, topic }: { all?: boolean; topic?: string }) => {
      if (all === ids.length > 0) retry.error('error: name the ids of dead letters, or use --all');
      if (topic !== undefined && !all) retry.error('error: --topic requires --all');
      return retryNamed(ids, { all, topic });
    });
}

function list(options: { topic?: string; code?: string; limit: number; json?: boolean }): Promise<void> {
  return withStore(async ({ store }) => {
    const filter = {
      ...(options.topic !== undefined && { topic: options.topic }),
      ...(options.code !== undefined && { errorCode: options.code }),
    };
    const found = await store.deadLetters({ ...filter, first: options.limit + 1 });
    const letters = found.slice(0, options.limit);
    if (options.json) console.log(JSON.stringify(letters.map(plainLetter), undefined, 2));
    else console.log(letters.length === 0 ? 'No dead letters.' : letterTable(letters));
    if (found.length > letters.length)
      console.error(
        `Listed the newest ${counted(options.limit, 'dead letter')}. Raise --limit to list more.`,
      );
  });
}

function show(id: string, options: { json?: boolean }): Promise<void> {
  return withStore(async ({ store }) => {
    const letter = await store.deadLetter(id, {});
    if (!letter) refuse(`No dead letter has the id ${id}.`);
    else console.log(options.json ? JSON.stringify(plainLetter(letter), undefined, 2) : letterText(letter));
  });
}

function retryNamed(
  ids: readonly string[],
  { all, topic }: { readonly all: boolean; readonly topic: string | undefined },
): Promise<void> {
  return withStore(async (deps) => {
    const retried = all ? await retryAll(deps, topic) : await retryInBatches(deps, ids);
    const unknown = ids.filter((id) => !retried.includes(id));
    if (retried.length === 0 && all) console.log('No dead letters.');
    if (retried.length > 0)
      console.log(
        `Retried ${counted(retried.length, 'dead letter')}. A worker appends retried events to the log again.`,
      );
    if (unknown.length > 0) refuse(`No dead letter has the id ${unknown.join(', ')}.`);
  });
}

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
}

/** The number of dead letters that one transaction retries. */
const batchSize = 100;

async function retryInBatches(deps: Deps, ids: readonly string[]): Promise<readonly string[]> {
  const { retryDeadLetters } = await import('../flow/act/dead-letters.ts');
  const retried: string[] = [];
  for (let start = 0; start < ids.length; start += batchSize)
    retried.push(...(await retryDeadLetters(deps, ids.slice(start, start + batchSize), {})));
  return retried;
}

/**
 * Retries all dead letters, or all dead letters of one topic, from the newest to the oldest. If a record
 * fails again during the run, its new dead letter is newer. So no record is retried twice.
 */
async function retryAll(deps: Deps, topic: string | undefined): Promise<readonly string[]> {
  const retried: string[] = [];
  let after: StoredDeadLetter | undefined;
  for (;;) {
    const page = { first: batchSize, ...(topic !== undefined && { topic }), ...(after && { after }) };
    const letters = await deps.store.deadLetters(page);
    if (letters.length === 0) return retried;
    const ids = letters.map(({ id }) => id);
    retried.push(...(await retryInBatches(deps, ids)));
    after = letters.at(-1);
  }
}

/** Converts a dead letter to a JSON object. */
function plainLetter({ payload, offset, ...letter }: StoredDeadLetter) {
  return { ...letter, offset: String(offset), payload: readable(payload) };
}

/** A table with one line for each dead letter. */
function letterTable(letters: readonly StoredDeadLetter[]): string {
  const rows = letters.map((letter) => [
    letter.id,
    letter.failedAt.toISOString(),
    printable(placeOf(letter)),
    letter.errorCode,
    printable(letter.errorMessage).slice(0, 80),
  ]);
  return textTable(['ID', 'FAILED AT', 'TOPIC/PARTITION/OFFSET', 'CODE', 'MESSAGE'], rows);
}

/** Returns a text with all details of one dead letter. */
function letterText(letter: StoredDeadLetter): string {
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

/** Escapes control characters, so that the text of an event cannot control the terminal. */
const printable = (text: string) =>
  text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) =>
    character === '\t' ? character : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
