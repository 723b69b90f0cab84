import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type MigrationSources, missingSql } from './migration-diff.ts';

const usage = `Usage: npm run migration -- NAME     write the next migration from the changes in schema.prisma
       npm run migration -- --check  exit 1 and print the missing SQL if migrations and schema differ

Options:
  --schema FILE      default prisma/schema.prisma
  --migrations DIR   default prisma/migrations
  --help

NAME consists of lower case letters, digits and underscores. Read the migration before you commit it. Prisma does not
know your data, and it writes a rename as drop and add. Add CHECK, INCLUDE and partitions by hand: Prisma cannot
express them.`;

const fromRoot = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Runs the command. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      schema: { type: 'string', default: fromRoot('prisma/schema.prisma') },
      migrations: { type: 'string', default: fromRoot('prisma/migrations') },
    },
  });
  const [name, ...rest] = positionals;
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (values.check ? positionals.length > 0 : !/^[a-z][a-z0-9_]*$/.test(name ?? '') || rest.length > 0) {
    console.error(usage);
    return 1;
  }
  const sources = { schemaFile: values.schema, migrationsDirectory: values.migrations };
  const sql = await missingSql(sources);
  if (sql === undefined) {
    console.log('The migrations agree with schema.prisma.');
    return 0;
  }
  if (name === undefined) {
    console.error(`The migrations differ from schema.prisma. The missing SQL:\n\n${sql}`);
    return 1;
  }
  console.log(`${relative('.', write(sources, name, sql))} is written. Read it before you commit it.`);
  return 0;
}

function write({ migrationsDirectory }: MigrationSources, name: string, sql: string): string {
  const directory = join(migrationsDirectory, `${nextStamp(migrationsDirectory)}_${name}`);
  const file = join(directory, 'migration.sql');
  mkdirSync(directory);
  writeFileSync(file, sql);
  return file;
}

/**
 * Returns the time in UTC in the format of Prisma. If the clock is earlier than the newest migration, the
 * result is still later than that migration.
 */
function nextStamp(directory: string): string {
  const stamps = readdirSync(directory).flatMap((entry) => /^\d{14}(?=_)/.exec(entry)?.[0] ?? []);
  const now = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const newest = stamps.sort().at(-1);
  return newest === undefined || now > newest ? now : String(Number(newest) + 1);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
