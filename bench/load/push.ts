import { setTimeout as delay } from 'node:timers/promises';
import { type RawData, WebSocket } from 'ws';
import { sendNotification, watchBadge } from '../requests.ts';
import { percentile } from '../statistics.ts';
import { type Connection, httpRequest, openConnection } from './connection.ts';

export interface PushTarget {
  readonly port: number;
  /** The port for the sockets. Defaults to `port`. */
  readonly watchPort?: number;
  /** `raw`: the URL of the socket contains the user's id, and the server pushes without a subscription. */
  readonly protocol: 'graphql-transport-ws' | 'raw';
  readonly users: readonly { readonly userId: string; readonly token: string }[];
  /** A token that may send to every user. */
  readonly senderToken: string;
}

export interface PushResult {
  readonly pushes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Watcher {
  readonly request: Buffer;
  readonly socket: WebSocket;
  /** The version of the badge after the next notification. */
  nextVersion: number;
  /** The time at which the notification of each version was sent. */
  readonly sentAt: Map<number, number>;
}

/** A push that takes longer than this time counts as lost. */
const patienceMs = 5_000;

/**
 * Opens a load that sends notifications at a fixed rate, to each user in turn, without waiting for pushes.
 * The time is measured from sending to the badge on the socket of the user.
 */
export async function openPushLoad({ port, watchPort = port, protocol, users, senderToken }: PushTarget) {
  let latencies: number[] = [];
  let unanswered = 0;
  let failure: Error | undefined;
  let idle: Connection[] = [];
  const all = new Set<Connection>();
  const watchers = await Promise.all(users.map(watch));

  async function watch({ userId, token }: PushTarget['users'][number]): Promise<Watcher> {
    const request = httpRequest(port, senderToken, sendNotification(userId));
    const isRaw = protocol === 'raw';
    const url = `ws://127.0.0.1:${watchPort}/${isRaw ? userId : 'graphql'}`;
    const socket = isRaw ? new WebSocket(url) : new WebSocket(url, 'graphql-transport-ws');
    const watcher: Watcher = { request, socket, nextVersion: 1, sentAt: new Map() };
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.once('open', () => {
        if (isRaw) return;
        socket.send(
          JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
        );
        socket.once('message', () => {
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: watchBadge } }));
        });
      });
      socket.once('close', (code, reason) => {
        failure = new Error(`The server closed a socket: ${code} ${reason}`);
        reject(failure);
      });
      socket.on('message', (data: RawData) => {
        const version = /"version":(\d+)/.exec(String(data))?.[1];
        if (version === undefined) return;
        arrived(watcher, Number(version));
        resolve();
      });
    });
    return watcher;
  }

  function arrived({ sentAt }: Watcher, version: number): void {
    const now = performance.now();
    // The server may skip versions, so a version also confirms all earlier versions.
    for (const [sent, at] of sentAt) {
      if (sent > version) continue;
      sentAt.delete(sent);
      latencies.push(now - at);
    }
  }

  async function connection(): Promise<Connection> {
    const free = idle.pop();
    if (free) return free;
    const opened = await openConnection(port, {
      onAnswer(status, answer, bodyStart) {
        if (status !== 200)
          failure = new Error(
            `The server answered ${status}: ${answer.toString('utf8', bodyStart, bodyStart + 500)}`,
          );
        unanswered -= 1;
        idle.push(opened);
      },
      onError: (error) => {
        failure = error;
      },
    });
    all.add(opened);
    return opened;
  }

  function closeConnections(): void {
    for (const one of all) one.close();
    all.clear();
    idle = [];
  }

  return {
    async run({
      perSecond,
      seconds,
    }: {
      readonly perSecond: number;
      readonly seconds: number;
    }): Promise<PushResult> {
      latencies = [];
      const count = Math.round(perSecond * seconds);
      const start = performance.now();
      for (let sent = 0; sent < count; ) {
        const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * perSecond) + 1);
        for (; sent < due; sent += 1) {
          const watcher = watchers[sent % watchers.length] as Watcher;
          watcher.sentAt.set(watcher.nextVersion, performance.now());
          watcher.nextVersion += 1;
          unanswered += 1;
          void connection().then((free) => free.send(watcher.request));
        }
        await delay(1);
        if (failure) throw failure;
      }
      const patientUntil = performance.now() + patienceMs;
      const isDone = () => latencies.length >= count && unanswered === 0;
      while (!isDone() && !failure && performance.now() < patientUntil) await delay(10);
      if (failure) throw failure;
      // Otherwise the server would close these idle connections before the next turn.
      closeConnections();
      if (latencies.length < count)
        throw new Error(`${count - latencies.length} of ${count} pushes never arrived.`);
      return { pushes: count, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
    },
    close(): void {
      for (const { socket } of watchers) socket.removeAllListeners('close').terminate();
      closeConnections();
    },
  };
}

export type PushLoad = Awaited<ReturnType<typeof openPushLoad>>;
