import { mkdirSync } from 'node:fs';
import { Redis } from 'ioredis';
import { findProgram } from './programs.ts';
import type { Place, Recipe } from './recipe.ts';
import { waitUntilReady } from './service.ts';

/** Redis without persistence and without a password, because Redis stores no data that must survive. */
export const redis: Recipe = {
  name: 'redis',
  stopSignal: 'SIGTERM',
  programs: () => ['redis-server'],
  prepare: (place) => prepare(place, {}),
};

/** A Redis Cluster of one node that has all slots. */
export const redisCluster: Recipe = {
  ...redis,
  prepare: (place) =>
    prepare(place, {
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      // Without this address the node gives clients an empty host, and the clients hang.
      'cluster-announce-ip': '127.0.0.1',
    }),
  async settle(url) {
    const client = new Redis(url);
    try {
      await waitUntilReady(async () => {
        const info = await client.cluster('INFO');
        if (info.includes('cluster_state:ok')) return undefined;
        if (info.includes('cluster_slots_assigned:0')) await client.cluster('ADDSLOTSRANGE', 0, 16_383);
        return 'the cluster is not complete yet';
      }, 10_000);
    } finally {
      client.disconnect();
    }
  },
};

async function prepare({ directory, port }: Place, more: Readonly<Record<string, string>>) {
  mkdirSync(directory, { recursive: true });
  const options = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    save: '',
    appendonly: 'no',
    ...more,
  };
  return {
    command: {
      program: findProgram('redis-server'),
      args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
      directory,
    },
    url: `redis://127.0.0.1:${port}`,
  };
}
