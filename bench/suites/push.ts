import { randomUUID } from 'node:crypto';
import { acrossProcesses, apiAndWorker, floor } from '../goals.ts';
import type { PushResult, PushTarget } from '../load/push.ts';
import { noErrors, upsertUsers } from '../requests.ts';
import type { FloorOptions } from '../servers/floor.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, cpuFigures, measureCpu, type Running, type Suite } from '../suite.ts';
import { serviceToken, userTokens } from '../tokens.ts';

const perSecond = 200;

/** The number of users, with one socket each. Each user gets a notification every half second. */
const users = 100;

/** The minimal length of a turn, in seconds. A shorter turn has too few pushes for a reliable p99. */
const leastSeconds = 5;

async function underPushLoad(
  bench: Bench,
  server: {
    readonly name: string;
    readonly options: unknown;
    /** Additional processes. The sockets connect to the first additional process. */
    readonly others?: readonly unknown[];
    readonly protocol: PushTarget['protocol'];
  },
  prepare: (port: number, userIds: readonly string[]) => Promise<void>,
): Promise<Running> {
  const child = await bench.startServer<{ readonly port: number }>(server.name, server.options);
  const others = await Promise.all(
    (server.others ?? []).map((options) =>
      bench.startServer<{ readonly port: number }>(server.name, options),
    ),
  );
  const { port } = child.ready;
  const tokens = await userTokens(bench, users);
  await prepare(
    port,
    tokens.map(({ userId }) => userId),
  );
  const target: PushTarget = {
    port,
    ...(others[0] && { watchPort: others[0].ready.port }),
    protocol: server.protocol,
    users: tokens,
    senderToken: await serviceToken(bench),
  };
  const id = await bench.load.call<number>('openPushLoad', target);
  return {
    async turn(seconds) {
      await bench.postgres.checkpoint();
      const rate = { id, perSecond, seconds: Math.max(seconds, leastSeconds) };
      const { result, ...usage } = await measureCpu(bench, child, () =>
        bench.load.call<PushResult>('push', rate),
      );
      const { pushes, p50Ms, p99Ms } = result;
      return { p50Ms, p99Ms, ...cpuFigures(usage, pushes) };
    },
    async stop() {
      await bench.load.call('closePushLoad', id);
      for (const one of [child, ...others]) await one.stop();
    },
  };
}

async function createUsers(bench: Bench, port: number, userIds: readonly string[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await serviceToken(bench)}` },
    body: upsertUsers(userIds),
  });
  const answer = await response.text();
  if (!answer.includes(noErrors)) throw new Error(`The server did not create the users: ${answer}`);
}

export const pushSuite: Suite = {
  name: 'push',
  loads: 1,
  variants: {
    async [apiAndWorker](bench) {
      const databaseUrl = await bench.postgres.createDatabase('migrated');
      const options: UnseenOptions = {
        dist: bench.options.dist,
        databaseUrl,
        secret: bench.secret,
        runs: 'api and worker',
      };
      return underPushLoad(
        bench,
        { name: 'unseen', options, protocol: 'graphql-transport-ws' },
        (port, userIds) => createUsers(bench, port, userIds),
      );
    },
    async [acrossProcesses](bench) {
      const options: UnseenOptions = {
        dist: bench.options.dist,
        databaseUrl: await bench.postgres.createDatabase('migrated'),
        secret: bench.secret,
        runs: 'api',
        kafka: { broker: await bench.kafkaBroker(), namespace: `bench-${randomUUID()}.` },
        redisUrl: await bench.redisUrl(),
      };
      const others = [options, { ...options, runs: 'api and worker' }];
      return underPushLoad(
        bench,
        { name: 'unseen', options, others, protocol: 'graphql-transport-ws' },
        (port, userIds) => createUsers(bench, port, userIds),
      );
    },
    async [floor](bench) {
      const options: FloorOptions = { databaseUrl: await bench.postgres.createDatabase('empty') };
      return underPushLoad(bench, { name: 'floor', options, protocol: 'raw' }, async () => {});
    },
  },
};
