import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('migrate')
    .description('Apply the pending database migrations and exit. `unseen start` also applies them.')
    .action(migrate);
}

async function migrate(): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { runMigrations } = await import('../runtime/database.ts');
  const { createLogger } = await import('../runtime/error-text.ts');
  const config = readConfig();
  const applied = await runMigrations(config, createLogger(config.logLevel));
  console.log(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`);
}
