import { type Command, Option } from 'commander';
import type { UserPatch } from '../domain/user.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';
import { tenant } from './arguments.ts';
import { bytesOf } from './input.ts';
import { counted, progressOf, refuse } from './output.ts';
import type { ImportLine } from './user-lines.ts';
import { withStore } from './with-store.ts';

/** The number of users that one transaction writes. */
const batchSize = 2_000;

/** The progress of an import. */
export interface ImportCounts {
  created: number;
  updated: number;
  refused: number;
}

/**
 * Creates or changes users in batches. An interrupted import can run again, because writing a user twice
 * changes nothing. Updates `counts` during the work, and calls `onBatch` after each batch.
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
  // If a user occurs twice in a batch, the patches are merged. Fields of the later patch win.
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

const help = `
Each line of a file is an object such as
  {"userId": "alice", "timeZone": "Europe/Berlin", "canReceiveNotifications": true}
Only userId is required. A field that a line omits takes the value of the option, or keeps its current value if the option is
omitted too. null restores the default (UTC, true).

The import reports lines that it cannot read, imports the others and exits with code 1. After an interruption run it again:
importing a user twice changes nothing.

Examples:
  unseen import users users.jsonl --tenant acme
  unseen import users 1..10000 --can-receive true --time-zone Europe/Berlin
  zcat users.jsonl.gz | unseen import users -`;

interface Flags {
  readonly tenant: string;
  readonly canReceive?: string;
  readonly timeZone?: string;
}

export function register(imports: Command): void {
  const command = imports
    .command('users')
    .description('Create or change the users of a file, or the users whose ids are the numbers of a range.')
    .argument(
      '<source>',
      'FILE: a file of JSON lines, or - for standard input. FIRST..LAST: a range of ids, including both',
    )
    .option('--tenant <tenant>', 'the tenant of the users', tenant, 'default')
    .addOption(
      new Option('--can-receive <value>', 'whether the users receive notifications').choices([
        'true',
        'false',
        'null',
      ]),
    )
    .option('--time-zone <zone>', 'an IANA time zone, for example Europe/Berlin, or null')
    .addHelpText('after', help)
    .action((source: string, flags: Flags) => importFrom(command, source, flags));
}

async function importFrom(command: Command, source: string, flags: Flags): Promise<void> {
  const patch: UserPatch = {
    ...(flags.canReceive !== undefined && { canReceiveNotifications: JSON.parse(flags.canReceive) }),
    ...(flags.timeZone !== undefined && { timeZone: await zoneOrNull(command, flags.timeZone) }),
  };
  const users = await usersOf(command, source, patch);
  await withStore(async (deps) => {
    const counts = { created: 0, updated: 0, refused: 0 };
    const report = progressOf('user');
    try {
      await importUsers(deps, flags.tenant, users, {
        counts,
        onRefused: (line, reason) => refuse(`line ${line}: ${reason}`),
        onBatch: () => report(counts.created + counts.updated),
      });
    } finally {
      const { created, updated, refused } = counts;
      console.log(`created ${created}, updated ${updated}, refused ${counted(refused, 'line')}`);
    }
  });
}

async function zoneOrNull(command: Command, zone: string): Promise<string | null> {
  const { isTimeZone } = await import('../domain/time.ts');
  if (zone === 'null') return null;
  if (!isTimeZone(zone))
    command.error(`error: --time-zone ${zone} is not an IANA time zone, for example Europe/Berlin, or null`);
  return zone;
}

async function usersOf(
  command: Command,
  source: string,
  patch: UserPatch,
): Promise<AsyncIterable<ImportLine> | Iterable<ImportLine>> {
  const { usersOfLines, usersOfRange } = await import('./user-lines.ts');
  const [, first, last] = /^(0|[1-9]\d{0,14})\.\.(0|[1-9]\d{0,14})$/.exec(source) ?? [];
  if (first === undefined) return usersOfLines(await bytesOf(source), patch);
  if (Number(first) > Number(last)) command.error(`error: the range ${source} ends before it begins`);
  return usersOfRange(Number(first), Number(last), patch);
}
