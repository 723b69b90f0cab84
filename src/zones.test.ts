import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(fileURLToPath(import.meta.url));

/**
 * Maps each folder or file of src to the folders and files that it may import. An entry of `types` may be
 * imported only as types.
 */
const zones: Record<string, { readonly values: readonly string[]; readonly types?: readonly string[] }> = {
  events: { values: [] },
  domain: { values: ['events'] },
  async: { values: ['domain'] },
  ports: { values: ['events', 'domain'] },
  flow: { values: ['events', 'domain', 'async', 'ports'] },
  graphql: { values: ['events', 'domain'], types: ['flow', 'ports'] },
  http: { values: ['graphql', 'domain', 'async', 'ports'], types: ['flow'] },
  adapters: { values: ['async', 'ports', 'events', 'domain'] },
  config: { values: ['ports'] },
  runtime: { values: ['adapters', 'config', 'domain', 'events', 'ports', 'version.ts'], types: ['app.ts'] },
  cli: { values: ['domain', 'events', 'flow', 'ports', 'config', 'runtime', 'app.ts', 'version.ts'] },
  'app.ts': { values: ['flow', 'graphql', 'http', 'ports', 'version.ts'], types: ['config'] },
  'main.ts': { values: ['cli'] },
  'version.ts': { values: [] },
};

/**
 * Maps each folder of src/flow to the folders of src/flow that it may import, as values or types. A folder
 * may import only folders that are listed after it.
 */
const flowZones: Record<string, readonly string[]> = {
  background: ['apply', 'deliver'],
  act: ['apply', 'deliver', 'record'],
  watch: ['read', 'deliver'],
  read: ['deliver'],
  apply: ['deliver'],
  record: [],
  deliver: [],
};

/**
 * Maps each folder of the Postgres adapter to the folders of the adapter that it may import. Every folder may
 * also import the files at the root of the adapter.
 */
const postgresZones: Record<string, readonly string[]> = {
  generated: [],
  tables: ['generated'],
  log: [],
  embedded: [],
  server: ['embedded'],
};

/** Maps each client library to the only folder that may import the library. */
const owners: Record<string, string> = {
  pg: 'adapters/postgres',
  '@prisma': 'adapters/postgres',
  kafkajs: 'adapters/kafka',
  fzstd: 'adapters/kafka',
  lz4js: 'adapters/kafka',
  snappyjs: 'adapters/kafka',
  jose: 'adapters/jwt',
  ioredis: 'adapters/redis',
  ws: 'http',
  'prom-client': 'http',
  'graphql-ws': 'http',
  '@apollo': 'http',
  'type-graphql': 'graphql',
  'graphql-jit': 'graphql',
  commander: 'cli',
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const isTest = (file: string) => /\.test\.ts$|^testing\//.test(file);

function importsOf(file: string): readonly Import[] {
  const source = readFileSync(join(root, file), 'utf8');
  const resolved = (to: string) => (to.startsWith('.') ? posix.join(posix.dirname(file), to) : to);
  const atLoad = source.matchAll(/^(?:import|export)\s+(type\s)?(?:([^;'"]*?)\sfrom\s+)?['"]([^'"]+)['"]/gm);
  const later = source.matchAll(/\bimport\(['"]([^'"]+)['"]\)/g);
  return [
    ...[...atLoad].map(([, type, names = '', to = '']) => ({
      from: file,
      to: resolved(to),
      isType: type !== undefined || /^\{(\s*type\s[^,}]+,?)+\s*\}$/.test(names.trim()),
    })),
    ...[...later].map(([, to = '']) => ({ from: file, to: resolved(to), isType: false })),
  ];
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !isTest(file) && !file.includes('generated/'),
);
const imports = files.flatMap(importsOf);
const roomOf = (file: string) => file.split('/')[0] as string;

describe('the folders of src', () => {
  it('are all in the table of allowed imports', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !(room in zones))).toEqual([]);
    expect(imports.length).toBeGreaterThan(100);
  });

  it('import only what the table allows', () => {
    const trespasses = imports
      .filter(({ to }) => files.includes(to))
      .filter(({ from, to, isType }) => {
        const zone = zones[roomOf(from)];
        const room = roomOf(to);
        return (
          room !== roomOf(from) && !zone?.values.includes(room) && !(isType && zone?.types?.includes(room))
        );
      })
      .map(({ from, to }) => `${from} → ${to}`);
    expect(trespasses).toEqual([]);
  });

  it('of the flow import only what the table of the flow allows', () => {
    const roomOfFlow = (file: string) => file.split('/')[1] as string;
    const inFlow = imports.filter(({ from, to }) => roomOf(from) === 'flow' && roomOf(to) === 'flow');
    const trespasses = inFlow
      .map(({ from, to }) => [roomOfFlow(from), roomOfFlow(to)] as const)
      .filter(([from, to]) => from !== to && !flowZones[from]?.includes(to))
      .map(([from, to]) => `${from} → ${to}`);
    expect([...new Set(trespasses)]).toEqual([]);
    expect(inFlow.length).toBeGreaterThan(30);
  });

  it('of the Postgres adapter import only what the table of the adapter allows', () => {
    const adapter = 'adapters/postgres/';
    const within = imports.filter(({ from, to }) => from.startsWith(adapter) && to.startsWith(adapter));
    const innerRoomOf = (file: string) => /^([^/]+)\//.exec(file.slice(adapter.length))?.[1];
    const trespasses = within
      .map(({ from, to }) => [innerRoomOf(from), innerRoomOf(to)] as const)
      .filter(([from, to]) => from && to && from !== to && !postgresZones[from]?.includes(to))
      .map(([from, to]) => `${from} → ${to}`);
    expect([...new Set(trespasses)]).toEqual([]);
    expect(within.length).toBeGreaterThan(50);
  });

  it('of the Postgres adapter import only root files that import none of these folders', () => {
    const adapter = 'adapters/postgres/';
    const inner = /^adapters\/postgres\/(tables|log|embedded|server)\//;
    const base = new Set(
      imports
        .filter(({ from, to }) => inner.test(from) && to.startsWith(adapter) && !inner.test(to))
        .map(({ to }) => to),
    );
    const downward = imports.filter(({ from, to }) => base.has(from) && inner.test(to));
    expect(downward.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
    expect([...base]).toContain('adapters/postgres/sql.ts');
  });

  it('graphql and http use the store only through the flow', () => {
    const direct = imports.filter(
      ({ from, to }) => ['graphql', 'http'].includes(roomOf(from)) && to.startsWith('ports/store'),
    );
    expect(direct.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('graphql/engine imports no other file of graphql', () => {
    const upward = imports.filter(
      ({ from, to }) =>
        from.startsWith('graphql/engine/') && to.startsWith('graphql/') && !to.startsWith('graphql/engine/'),
    );
    expect(upward.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('of different adapters do not import each other', () => {
    const technology = (file: string) => file.split('/')[1];
    const between = imports.filter(
      ({ from, to }) =>
        roomOf(from) === 'adapters' && roomOf(to) === 'adapters' && technology(from) !== technology(to),
    );
    expect(between).toEqual([]);
  });

  it('import each client library in one folder only', () => {
    const elsewhere = imports.filter(({ from, to }) => {
      const owner = Object.entries(owners).find(
        ([library]) => to === library || to.startsWith(`${library}/`),
      )?.[1];
      return owner !== undefined && !from.startsWith(owner);
    });
    expect(elsewhere.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('read the environment only in config', () => {
    const readers = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('process.env'));
    expect([...new Set(readers.map(roomOf))]).toEqual(['config']);
  });

  it('have no import cycles, even with imports of types', () => {
    const graph = new Map(files.map((file) => [file, importsOf(file).map(({ to }) => to)]));
    const done = new Set<string>();
    const cycleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
      if (done.has(file)) return undefined;
      for (const next of graph.get(file) ?? []) {
        const cycle = cycleFrom(next, [...path, file]);
        if (cycle) return cycle;
      }
      done.add(file);
      return undefined;
    };
    expect(files.map((file) => cycleFrom(file, [])).filter(Boolean)).toEqual([]);
  });
});
