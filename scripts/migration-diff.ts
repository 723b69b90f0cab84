import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg';
import { PrismaPGlite } from 'pglite-prisma-adapter';

/** What is compared: a Prisma schema file and a directory of migrations. */
export interface MigrationSources {
  readonly schemaFile: string;
  readonly migrationsDirectory: string;
}

/**
 * The SQL that leads from the migrations, replayed in order on an empty in-memory PostgreSQL, to what the schema file
 * describes; undefined when there is none missing. Needs no database and no network.
 *
 * Sees tables, columns, types, defaults, keys and indexes. Does not see what Prisma's schema language has no word for:
 * CHECK, PARTITION BY, WITH (…), INCLUDE, data.
 *
 * Rejects with the schema engine's message when the schema does not parse or a migration does not run.
 */
export async function missingSql(sources: MigrationSources): Promise<string | undefined> {
  loadEngine();
  const database = new PGlite();
  const shadow = await shadowOn(database);
  try {
    const schema = { path: resolve(sources.schemaFile), content: readFileSync(sources.schemaFile, 'utf8') };
    const session = await engine.SchemaEngine.new(
      { datamodels: [[schema.path, schema.content]] },
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(shadow.factory),
    );
    const { exitCode, stdout } = await session.diff({
      from: { tag: 'migrations', ...readMigrations(sources.migrationsDirectory) },
      to: { tag: 'schemaDatamodel', files: [schema] },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    return exitCode === 0 ? undefined : (stdout ?? '');
  } catch (error) {
    throw shadow.explain(error);
  } finally {
    await database.close();
  }
}

interface Shadow {
  readonly factory: SqlMigrationAwareDriverAdapterFactory;
  /** The engine says which migration failed, only the database says why. */
  explain(error: unknown): unknown;
}

/** One throw-away database is both the main one, which a diff never touches, and the shadow the migrations run on. */
async function shadowOn(database: PGlite): Promise<Shadow> {
  const pglite = new PrismaPGlite(database);
  const adapter = await pglite.connect();
  let cause: unknown;
  // The adapter's own does not wait for the script, so a migration that fails would be an unhandled rejection.
  adapter.executeScript = async (script) => {
    try {
      await database.exec(script);
    } catch (error) {
      cause = error;
      throw error;
    }
  };
  const connect = () => Promise.resolve(adapter);
  return {
    factory: {
      provider: pglite.provider,
      adapterName: pglite.adapterName,
      connect,
      connectToShadowDb: connect,
    },
    explain: (error) =>
      cause instanceof Error && error instanceof Error
        ? new Error(`${error.message.split('\n', 1)[0]?.trim()} ${cause.message}`, { cause })
        : error,
  };
}

function readMigrations(directory: string): engine.MigrationList {
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir: resolve(directory),
    lockfile: {
      path: 'migration_lock.toml',
      content: readFileSync(join(directory, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: names.map((path) => ({
      path,
      migrationFile: {
        path: 'migration.sql',
        content: {
          tag: 'ok',
          value: withoutInclude(readFileSync(join(directory, path, 'migration.sql'), 'utf8')),
        },
      },
    })),
  };
}

/** Read back from a database, an included column looks to the engine like one more column of the key. */
function withoutInclude(sql: string): string {
  return sql.replaceAll(/\sINCLUDE\s*\([^)]*\)/gi, '');
}

let loaded = false;

/** The package's own entry imports its .wasm file, which Node 20 cannot, so it is instantiated by hand, once. */
function loadEngine(): void {
  if (loaded) return;
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const module = new WebAssembly.Module(readFileSync(script.replace(/js$/, 'wasm')));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': { ...engine } });
  engine.__wbg_set_wasm(exports);
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message(message: string) {
        throw new Error(`The schema engine failed: ${message}`);
      },
    },
  });
  const start = exports['__wbindgen_start'];
  if (typeof start !== 'function') throw new Error('The schema engine does not have the expected entry.');
  start();
  loaded = true;
}
