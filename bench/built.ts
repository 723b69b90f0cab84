import { pathToFileURL } from 'node:url';

/**
 * Returns functions that load modules of the built server, with the types of their sources. `dist` is an
 * absolute path.
 */
export function builtIn(dist: string) {
  const load = (module: string) => import(pathToFileURL(`${dist}/${module}`).href);
  return {
    act: (): Promise<typeof import('../src/flow/act/act.ts')> => load('flow/act/act.js'),
    app: (): Promise<typeof import('../src/app.ts')> => load('app.js'),
    config: (): Promise<typeof import('../src/config/config.ts')> => load('config/config.js'),
    connection: (): Promise<typeof import('../src/adapters/postgres/connection.ts')> =>
      load('adapters/postgres/connection.js'),
    consume: (): Promise<typeof import('../src/flow/apply/consume.ts')> => load('flow/apply/consume.js'),
    count: (): Promise<typeof import('../src/flow/apply/count.ts')> => load('flow/apply/count.js'),
    embeddedPostgres: (): Promise<typeof import('../src/adapters/postgres/embedded/embedded.ts')> =>
      load('adapters/postgres/embedded/embedded.js'),
    groupCommit: (): Promise<typeof import('../src/async/group-commit.ts')> => load('async/group-commit.js'),
    migrate: (): Promise<typeof import('../src/adapters/postgres/server/migrate.ts')> =>
      load('adapters/postgres/server/migrate.js'),
    prisma: (): Promise<typeof import('../src/adapters/postgres/generated/client.ts')> =>
      load('adapters/postgres/generated/client.js'),
    project: (): Promise<typeof import('../src/flow/apply/project.ts')> => load('flow/apply/project.js'),
    read: (): Promise<typeof import('../src/flow/read/read.ts')> => load('flow/read/read.js'),
    redisPubSub: (): Promise<typeof import('../src/adapters/redis/pub-sub.ts')> =>
      load('adapters/redis/pub-sub.js'),
    runtime: (): Promise<typeof import('../src/runtime/runtime.ts')> => load('runtime/runtime.js'),
    signToken: (): Promise<typeof import('../src/adapters/jwt/sign-token.ts')> =>
      load('adapters/jwt/sign-token.js'),
    sql: (): Promise<typeof import('../src/adapters/postgres/sql.ts')> => load('adapters/postgres/sql.js'),
    stats: (): Promise<typeof import('../src/adapters/postgres/tables/stats.ts')> =>
      load('adapters/postgres/tables/stats.js'),
    statsDomain: (): Promise<typeof import('../src/domain/stats.ts')> => load('domain/stats.js'),
    store: (): Promise<typeof import('../src/adapters/postgres/store.ts')> =>
      load('adapters/postgres/store.js'),
  };
}
