import { PGlite } from '@electric-sql/pglite';
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { openSchemaEngine, readMigrations, readSchema } from './schema-engine.ts';

/** What is compared: a Prisma schema file and a directory of migrations. */
export interface MigrationSources {
  readonly schemaFile: string;
  readonly migrationsDirectory: string;
}

/**
 * The SQL that leads from the migrations, replayed in order on an empty in-memory PostgreSQL, to what the
 * schema file describes; undefined when there is none missing. Needs no database and no network.
 *
 * Sees tables, columns, types, defaults, keys and indexes. Does not see what Prisma's schema language has no
 * word for: CHECK, PARTITION BY, WITH (…), INCLUDE, data.
 *
 * Rejects with the schema engine's message when the schema does not parse or a migration does not run.
 */
export async function missingSql(sources: MigrationSources): Promise<string | undefined> {
  const database = new PGlite();
  const shadow = await shadowOn(database);
  try {
    const engine = await openSchemaEngine(shadow.factory, sources.schemaFile);
    const migrations = readMigrations(sources.migrationsDirectory, withoutInclude);
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'migrations', ...migrations },
      to: { tag: 'schemaDatamodel', files: [readSchema(sources.schemaFile)] },
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

/**
 * One throw-away database is both the main one, which a diff never touches, and the shadow the migrations run
 * on.
 */
async function shadowOn(database: PGlite): Promise<Shadow> {
  const pglite = new PrismaPGlite(database);
  const adapter = await pglite.connect();
  let cause: unknown;
  // The adapter's own does not wait for the script, so a migration that fails would be an unhandled
  // rejection.
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

/** Read back from a database, an included column looks to the engine like one more column of the key. */
function withoutInclude(sql: string): string {
  return sql.replaceAll(/\sINCLUDE\s*\([^)]*\)/gi, '');
}
