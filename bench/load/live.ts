import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type RawData, WebSocket } from 'ws';
import { watchBadge } from '../requests.ts';
import { percentile } from '../statistics.ts';

export interface LiveTarget {
  readonly port: number;
  /** `raw`: the URL of the socket contains the user's id, and the server pushes without a subscription. */
  readonly protocol: 'graphql-transport-ws' | 'raw';
  readonly redisUrl: string;
  readonly tenantId: string;
  readonly sockets: readonly { readonly userId: string; readonly token: string }[];
}

export interface LiveResult {
  readonly pushes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The pushes that the sockets of a user wait for. */
interface Watched {
  readonly channel: string;
  readonly count: number;
  nextVersion: number;
  readonly sentAt: Map<number, { readonly at: number; missing: number }>;
}

/** The number of sockets that open at the same time. */
const width = 100;

/** A push that takes longer than this time counts as lost. */
const patienceMs = 10_000;

/** Opens sockets that watch badges. The returned functions publish badges to Redis as a worker does. */
export async function openLiveLoad({ port, protocol, redisUrl, tenantId, sockets }: LiveTarget) {
  let latencies: number[] = [];
  let failure: Error | undefined;
  const redis = new Redis(redisUrl);
  const open: WebSocket[] = [];
  const watched = new Map<string, Watched>();
  for (const { userId } of sockets) {
    const count = (watched.get(userId)?.count ?? 0) + 1;
    const channel = `unseen:badge:${tenantId}/${userId}\nnotifications`;
    watched.set(userId, { channel, count, nextVersion: 1, sentAt: new Map() });
  }
  const users = [...watched];

  async function watch({ userId, token }: LiveTarget['sockets'][number]): Promise<void> {
    const isRaw = protocol === 'raw';
    const url = `ws://127.0.0.1:${port}/${isRaw ? `${tenantId}/${userId}` : 'graphql'}`;
    const socket = new WebSocket(url, isRaw ? [] : ['graphql-transport-ws'], { perMessageDeflate: false });
    open.push(socket);
    const { sentAt } = watched.get(userId) as Watched;
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.once('open', () => {
        if (isRaw) return;
        const payload = { authorization: `Bearer ${token}` };
        socket.send(JSON.stringify({ type: 'connection_init', payload }));
        socket.once('message', () => {
          const variables = { userId };
          const query = watchBadge.replace(
            'subscription { badgeChanged',
            'subscription ($userId: ID) { badgeChanged(userId: $userId)',
          );
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }));
        });
      });
      socket.once('close', (code, reason) => {
        failure = new Error(`The server closed a socket: ${code} ${reason}`);
        reject(failure);
      });
      socket.on('message', (data: RawData) => {
        const version = /"version":(\d+)/.exec(String(data))?.[1];
        if (version === undefined) return;
        resolve();
        // The server may skip versions, so a version also confirms all earlier versions.
        for (const [sent, push] of sentAt) {
          if (sent > Number(version)) break;
          push.missing -= 1;
          if (push.missing > 0) continue;
          sentAt.delete(sent);
          latencies.push(performance.now() - push.at);
        }
      });
    });
  }

  const left = [...sockets];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = left.pop(); next; next = left.pop()) await watch(next);
    }),
  );

  function publish([userId, one]: (typeof users)[number]): void {
    const version = one.nextVersion;
    one.nextVersion += 1;
    const badge = { tenantId, userId, key: 'notifications', unseen: version, unread: version, version };
    const value = JSON.stringify({ badge: { ...badge, asOf: new Date() }, cause: 'ARRIVED' });
    one.sentAt.set(version, { at: performance.now(), missing: one.count });
    redis.publish(one.channel, value).catch((error) => {
      failure = error;
    });
  }

  async function arrived(count: number): Promise<void> {
    const patientUntil = performance.now() + patienceMs;
    while (latencies.length < count && !failure && performance.now() < patientUntil) await delay(1);
    if (failure) throw failure;
    if (latencies.length < count)
      throw new Error(`${count - latencies.length} of ${count} pushes never arrived.`);
  }

  const result = (): LiveResult => ({
    pushes: latencies.length,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  });

  return {
    /** Publishes badges at a fixed rate, to each user in turn, without waiting for pushes. */
    async push({ perSecond, seconds }: { readonly perSecond: number; readonly seconds: number }) {
      latencies = [];
      const count = Math.round(perSecond * seconds);
      const start = performance.now();
      for (let sent = 0; sent < count; ) {
        const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * perSecond) + 1);
        for (; sent < due; sent += 1) publish(users[sent % users.length] as (typeof users)[number]);
        await delay(1);
        if (failure) throw failure;
      }
      await arrived(count);
      return result();
    },
    /**
     * Publishes one badge at a time for the first user, whom all sockets watch. Each time is measured until
     * the last socket has the badge.
     */
    async broadcast({ seconds }: { readonly seconds: number }) {
      latencies = [];
      const until = performance.now() + seconds * 1000;
      for (let count = 1; performance.now() < until; count += 1) {
        publish(users[0] as (typeof users)[number]);
        await arrived(count);
        await delay(50);
      }
      return result();
    },
    close(): void {
      for (const socket of open) socket.removeAllListeners('close').terminate();
      redis.disconnect();
    },
  };
}

export type LiveLoad = Awaited<ReturnType<typeof openLiveLoad>>;
