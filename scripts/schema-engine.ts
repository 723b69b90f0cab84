import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as wasm from '@prisma/schema-engine-wasm/schema_engine_bg';

/**
 * Opens the schema engine of `prisma migrate` in WebAssembly on a driver adapter, so that no download is
 * needed.
 */
export async function openSchemaEngine(
  factory: SqlMigrationAwareDriverAdapterFactory,
  schemaFile: string,
): Promise<wasm.SchemaEngine> {
  loadEngine();
  const { path, content } = readSchema(schemaFile);
  return wasm.SchemaEngine.new(
    { datamodels: [[path, content]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
}

/** Reads a schema file into the format of the engine. */
export function readSchema(file: string): wasm.SchemaContainer {
  return { path: resolve(file), content: readFileSync(file, 'utf8') };
}

/** Reads a directory of migrations into the format of the engine. `edit` changes the SQL of each file. */
export function readMigrations(
  directory: string,
  edit: (sql: string) => string = (sql) => sql,
): wasm.MigrationList {
  const names = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  const read = (...path: string[]) => readFileSync(join(directory, ...path), 'utf8');
  return {
    baseDir: resolve(directory),
    lockfile: { path: 'migration_lock.toml', content: read('migration_lock.toml') },
    shadowDbInitScript: '',
    migrationDirectories: names.map((path) => ({
      path,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: edit(read(path, 'migration.sql')) },
      },
    })),
  };
}

let loaded = false;

/**
 * Instantiates the engine once per process. The function reads the .wasm file itself, because Node 20 cannot
 * import a .wasm file as the entry of the package does.
 */
function loadEngine(): void {
  if (loaded) return;
  const script = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const module = new WebAssembly.Module(readFileSync(script.replace(/js$/, 'wasm')));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': { ...wasm } });
  wasm.__wbg_set_wasm(exports);
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
