import { PGlite } from '@electric-sql/pglite';
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { PrismaPGlite } from 'pglite-prisma-adapter';
import { openSchemaEngine, readMigrations, readSchema } from './schema-engine.ts';

/** What to compare: a Prisma schema file and a directory of migrations. */
export interface MigrationSources {
  readonly schemaFile: string;
  readonly migrationsDirectory: string;
}

/**
 * Returns the SQL that the migrations lack to create the tables of the schema file, or undefined if no SQL is
 * missing. The migrations run in order on an empty in-memory PostgreSQL, so the function needs no database
 * and no network.
 *
 * The comparison covers tables, columns, types, defaults, keys and indexes. The comparison does not cover
 * features that Prisma's schema language cannot express: CHECK, PARTITION BY, WITH (…), INCLUDE, data.
 *
 * Rejects with the message of the schema engine if the schema does not parse or a migration fails.
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
  /**
   * Adds the reason to the engine's error. The engine names the failed migration, but only the database knows
   * the reason.
   */
  explain(error: unknown): unknown;
}

/**
 * Returns one temporary database in two roles: the main database, which a diff never changes, and the shadow
 * database on which the migrations run.
 */
async function shadowOn(database: PGlite): Promise<Shadow> {
  const pglite = new PrismaPGlite(database);
  const adapter = await pglite.connect();
  let cause: unknown;
  // The function of the adapter does not wait for the script, so a failing migration would be an unhandled
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

/**
 * Removes INCLUDE clauses, because the engine reads an included column back from the database as a column of
 * the key.
 */
function withoutInclude(sql: string): string {
  return sql.replaceAll(/\sINCLUDE\s*\([^)]*\)/gi, '');
}
