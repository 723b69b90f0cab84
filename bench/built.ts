import { pathToFileURL } from 'node:url';

/** Modules of the built server, with the types of their sources. `dist` is absolute. */
export function builtIn(dist: string) {
  const load = (module: string) => import(pathToFileURL(`${dist}/${module}`).href);
  return {
    act: (): Promise<typeof import('../src/flow/act.ts')> => load('flow/act.js'),
    app: (): Promise<typeof import('../src/app.ts')> => load('app.js'),
    authenticator: (): Promise<typeof import('../src/adapters/jwt/authenticator.ts')> =>
      load('adapters/jwt/authenticator.js'),
    config: (): Promise<typeof import('../src/config.ts')> => load('config.js'),
    connection: (): Promise<typeof import('../src/adapters/postgres/connection.ts')> =>
      load('adapters/postgres/connection.js'),
    consume: (): Promise<typeof import('../src/flow/consume.ts')> => load('flow/consume.js'),
    count: (): Promise<typeof import('../src/flow/count.ts')> => load('flow/count.js'),
    embeddedPostgres: (): Promise<typeof import('../src/adapters/postgres/embedded.ts')> =>
      load('adapters/postgres/embedded.js'),
    groupCommit: (): Promise<typeof import('../src/ports/group-commit.ts')> => load('ports/group-commit.js'),
    migrate: (): Promise<typeof import('../src/adapters/postgres/migrate.ts')> =>
      load('adapters/postgres/migrate.js'),
    prisma: (): Promise<typeof import('../src/adapters/postgres/generated/client.ts')> =>
      load('adapters/postgres/generated/client.js'),
    project: (): Promise<typeof import('../src/flow/project.ts')> => load('flow/project.js'),
    read: (): Promise<typeof import('../src/flow/read.ts')> => load('flow/read.js'),
    redisPubSub: (): Promise<typeof import('../src/adapters/redis/pub-sub.ts')> =>
      load('adapters/redis/pub-sub.js'),
    runtime: (): Promise<typeof import('../src/runtime.ts')> => load('runtime.js'),
    sql: (): Promise<typeof import('../src/adapters/postgres/sql.ts')> => load('adapters/postgres/sql.js'),
    stats: (): Promise<typeof import('../src/adapters/postgres/stats.ts')> =>
      load('adapters/postgres/stats.js'),
    statsDomain: (): Promise<typeof import('../src/domain/stats.ts')> => load('domain/stats.js'),
    store: (): Promise<typeof import('../src/adapters/postgres/store.ts')> =>
      load('adapters/postgres/store.js'),
  };
}
