import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MigrationSources, missingSql } from './migration-diff.ts';

let copy: string;
let sources: MigrationSources;

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'unseen-prisma-'));
  cpSync(fileURLToPath(new URL('../prisma', import.meta.url)), copy, { recursive: true });
  sources = { schemaFile: join(copy, 'schema.prisma'), migrationsDirectory: join(copy, 'migrations') };
});

afterEach(() => rmSync(copy, { recursive: true }));

describe('the migrations and schema.prisma', () => {
  it('agree', async () => {
    expect(await missingSql(sources)).toBeUndefined();
  });

  it('differ if only the schema has a column, an index or a table, even of a partitioned table', async () => {
    editSchema((schema) =>
      schema
        .replace(/(model PageView \{)/, '$1\n referrer String?\n @@index([tenantId, name])')
        .replace(/(model Inbox \{)/, '$1\n note String?')
        .concat('model Extra {\n id Int @id\n}\n'),
    );
    const sql = await missingSql(sources);
    expect(sql).toContain('ALTER TABLE "page_view" ADD COLUMN     "referrer" TEXT;');
    expect(sql).toContain('CREATE INDEX "page_view_tenant_id_name_idx" ON "page_view"("tenant_id", "name");');
    expect(sql).toContain('ALTER TABLE "inbox" ADD COLUMN     "note" TEXT;');
    expect(sql).toContain('CREATE TABLE "Extra"');
  });

  it('differ if only a migration has a column, an index, a default or a table', async () => {
    addMigration(`
      ALTER TABLE page_view ADD COLUMN referrer TEXT;
      CREATE INDEX extra_index ON page_view (tenant_id, name);
      ALTER TABLE inbox ALTER COLUMN unread DROP DEFAULT;
      ALTER TABLE page_view DROP CONSTRAINT page_view_pkey, ADD PRIMARY KEY (tenant_id, occurred_at, id);
      CREATE TABLE extra (id INT PRIMARY KEY);
    `);
    const sql = await missingSql(sources);
    expect(sql).toContain('DROP COLUMN "referrer"');
    expect(sql).toContain('DROP INDEX "extra_index";');
    expect(sql).toContain('ALTER COLUMN "unread" SET DEFAULT 0');
    expect(sql).toContain('PRIMARY KEY ("tenant_id", "user_id", "occurred_at", "id")');
    expect(sql).toContain('DROP TABLE "extra";');
  });

  it('may differ in features that Prisma cannot express', async () => {
    addMigration(`
      CREATE INDEX notification_failed ON notification (category) WHERE seq IS NULL;
      ALTER TABLE notification ADD CHECK (title <> '');
      CREATE TABLE page_view_2026_11 PARTITION OF page_view FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
    `);
    expect(await missingSql(sources)).toBeUndefined();
  });

  it('are not compared if a migration fails, and the error names the migration and the reason', async () => {
    addMigration('CREATE TABLE inbox (id INT);');
    await expect(missingSql(sources)).rejects.toThrow(
      /99990101000000_extra.* relation "inbox" already exists/,
    );
  });
});

describe('next-migration', () => {
  it('fails the check while SQL is missing, and writes this SQL as a migration after the newest migration', async () => {
    addMigration('SELECT 1;');
    editSchema((schema) => schema.replace(/(model Inbox \{)/, '$1\n note String?'));
    const failed = await run('--check');
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('ADD COLUMN     "note" TEXT') });

    expect(await run('add_note')).toMatchObject({ code: 0 });
    expect(readdirSync(sources.migrationsDirectory).at(-2)).toBe('99990101000001_add_note');
    const written = join(sources.migrationsDirectory, '99990101000001_add_note', 'migration.sql');
    expect(readFileSync(written, 'utf8')).toBe(
      '-- AlterTable\nALTER TABLE "inbox" ADD COLUMN     "note" TEXT;\n',
    );

    expect(await run('--check')).toEqual({
      code: 0,
      stdout: 'The migrations agree with schema.prisma.\n',
      stderr: '',
    });
  }, 120_000);

  it('prints its usage, and refuses unknown arguments', async () => {
    const [help, none, bad, unknown] = await Promise.all([
      run('--help'),
      run(),
      run('Not A Name'),
      run('--nonsense'),
    ]);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Usage: /) });
    for (const refused of [none, bad]) {
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Usage: /) });
    }
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Unknown option '--nonsense'"),
    });
  });
});

function editSchema(edit: (schema: string) => string): void {
  writeFileSync(sources.schemaFile, edit(readFileSync(sources.schemaFile, 'utf8')));
}

function addMigration(sql: string): void {
  const directory = join(sources.migrationsDirectory, '99990101000000_extra');
  mkdirSync(directory);
  writeFileSync(join(directory, 'migration.sql'), sql);
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: readonly string[]): Promise<Outcome> {
  const script = fileURLToPath(new URL('./next-migration.ts', import.meta.url));
  const where = ['--schema', sources.schemaFile, '--migrations', sources.migrationsDirectory];
  return new Promise((done) => {
    execFile(process.execPath, ['--import', 'tsx', script, ...where, ...args], (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
