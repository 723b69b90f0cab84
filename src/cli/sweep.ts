import type { Command } from 'commander';
import type { Retention, Swept } from '../flow/background/sweep.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';
import { reasonOf, refuse, textTable } from './output.ts';
import { withStore } from './with-store.ts';

/** The names of the kinds in the output. Each name includes the unit in which the kind is counted. */
const kinds: Record<Swept['kind'], string> = {
  pageViews: 'page views, months',
  activity: 'other activity and metrics, months and rows',
  itemViews: 'views of expired items',
  earlyItemViews: 'views of items that were never published',
  notifications: 'read notifications and openings',
  changes: 'changes for streams',
  limitHistory: 'limit events',
  marks: 'marks of applied events',
  idempotencyKeys: 'idempotency keys',
  deadLetters: 'dead letters',
};

/** Removes or counts expired data. Returns a table of the counts, and the kinds that failed. */
async function sweepTable(
  deps: { readonly store: Store; readonly clock: Clock },
  retention: Retention,
  { dryRun }: { readonly dryRun: boolean },
): Promise<{
  readonly table: string;
  readonly failures: readonly { readonly kind: string; readonly error: unknown }[];
}> {
  const { expireAll } = await import('../flow/background/sweep.ts');
  const swept = await expireAll(deps, retention, { dryRun });
  const rows = swept.map(({ kind, days, before, removed, error }) => [
    kinds[kind],
    `${days} days`,
    before.toISOString().slice(0, 10),
    error === undefined ? String(removed) : 'failed',
  ]);
  const failures = swept.flatMap(({ kind, error }) =>
    error === undefined ? [] : [{ kind: kinds[kind], error }],
  );
  const heading = ['kind', 'kept', 'older than', dryRun ? 'would remove' : 'removed'];
  return { table: textTable(heading, rows), failures };
}

export function register(program: Command): void {
  program
    .command('sweep')
    .description(
      'Remove data that is older than its retention. The worker does the same every day. Works while the server runs.',
    )
    .option('--dry-run', 'count what would be removed and remove nothing')
    .action(sweep);
}

function sweep({ dryRun = false }: { readonly dryRun?: boolean }): Promise<void> {
  return withStore(async (deps) => {
    const { readConfig } = await import('../config/config.ts');
    const { table, failures } = await sweepTable(deps, readConfig().retention, { dryRun });
    console.log(table);
    if (dryRun) console.error('Nothing was removed.');
    for (const { kind, error } of failures) refuse(`${kind}: ${await reasonOf(error)}`);
  });
}
