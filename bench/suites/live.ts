import type { Memory } from '../child-main.ts';
import { api, hub } from '../goals.ts';
import type { LiveResult, LiveTarget } from '../load/live.ts';
import type { HubOptions } from '../servers/hub.ts';
import type { UnseenOptions } from '../servers/unseen.ts';
import { type Bench, cpuFigures, measureCpu, type Running, type Suite } from '../suite.ts';
import { serviceToken, userTokens } from '../tokens.ts';

const socketCount = 10_000;
const perSecond = 2_000;

/** The minimal length of a turn, in seconds. A shorter turn has too few pushes for a reliable p99. */
const leastSeconds = 3;

type Sockets = (bench: Bench) => Promise<LiveTarget['sockets']>;

/** Each socket watches its own user's badge. */
const each: Sockets = (bench) => userTokens(bench, socketCount);

/**
 * All sockets watch one user's badge. The sockets use a service token, because a service may have any number
 * of sockets.
 */
const together: Sockets = async (bench) => {
  const socket = { userId: 'everyone', token: await serviceToken(bench) };
  return Array.from({ length: socketCount }, () => socket);
};

async function underLiveLoad(
  bench: Bench,
  server: { readonly name: string; readonly options: unknown; readonly protocol: LiveTarget['protocol'] },
  sockets: Sockets,
  measure: 'livePush' | 'liveBroadcast',
): Promise<Running> {
  const [child, load] = await Promise.all([
    bench.startServer<{ readonly port: number }>(server.name, server.options),
    bench.startLoad(),
  ]);
  const target = {
    port: child.ready.port,
    protocol: server.protocol,
    redisUrl: await bench.redisUrl(),
    // Both variants use the same Redis, so each variant has its own users.
    tenantId: server.protocol === 'raw' ? 'hub' : 'default',
    sockets: await sockets(bench),
  } satisfies LiveTarget;
  const before = await child.call<Memory>('memory');
  await load.call('openLiveLoad', target);
  const after = await child.call<Memory>('memory');
  const kBPerSocket = (after.rssBytes - before.rssBytes) / 1024 / socketCount;
  return {
    async turn(seconds) {
      const rate = { perSecond, seconds: Math.max(seconds, leastSeconds) };
      const { result, ...usage } = await measureCpu(bench, child, () => load.call<LiveResult>(measure, rate));
      const { pushes, p50Ms, p99Ms } = result;
      return { p50Ms, p99Ms, kBPerSocket, ...cpuFigures(usage, pushes) };
    },
    async stop() {
      await load.call('closeLiveLoad');
      await load.stop();
      await child.stop();
    },
  };
}

const suite = (name: string, sockets: Sockets, measure: 'livePush' | 'liveBroadcast'): Suite => ({
  name,
  loads: 1,
  variants: {
    async [api](bench) {
      const options: UnseenOptions = {
        dist: bench.options.dist,
        databaseUrl: await bench.postgres.createDatabase('migrated'),
        secret: bench.secret,
        runs: 'api',
        redisUrl: await bench.redisUrl(),
      };
      return underLiveLoad(
        bench,
        { name: 'unseen', options, protocol: 'graphql-transport-ws' },
        sockets,
        measure,
      );
    },
    async [hub](bench) {
      const options: HubOptions = { redisUrl: await bench.redisUrl() };
      return underLiveLoad(bench, { name: 'hub', options, protocol: 'raw' }, sockets, measure);
    },
  },
});

/** The suites of the goals 7, 8 and 9. */
export const liveSuites: readonly Suite[] = [
  suite('live', each, 'livePush'),
  suite('broadcast', together, 'liveBroadcast'),
];
