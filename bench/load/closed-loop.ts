import type { LoadRequest } from '../requests.ts';
import { percentile } from '../statistics.ts';
import { type Connection, httpRequest, openConnection } from './connection.ts';

export interface ClosedLoop {
  readonly port: number;
  readonly request: LoadRequest;
  readonly connections: number;
  readonly seconds: number;
  /**
   * Whether the client stays awake. On a shared machine, waking a sleeping client costs the server's core
   * more time than a small answer. Set false if PostgreSQL needs the client's core.
   */
  readonly spin: boolean;
}

export interface ClosedLoopResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Each connection sends its next request when it has received the previous answer. Rejects if an answer
 * differs from the first good answer, so that a failing server does not look fast.
 */
export async function closedLoop({
  port,
  request,
  connections,
  seconds,
  spin,
}: ClosedLoop): Promise<ClosedLoopResult> {
  const { body, tokens, expect } = request;
  const times: number[] = [];
  const open: Connection[] = [];
  let bodyLength: number | undefined;
  let endsAt = Number.POSITIVE_INFINITY;
  let startedAt = 0;

  const finished = Array.from({ length: connections }, async (_, index) => {
    const bytes = httpRequest(port, tokens[index % tokens.length] ?? '', body);
    let sentAt = 0;
    let connection: Connection | undefined;
    await new Promise<void>((resolve, reject) => {
      const send = () => {
        sentAt = performance.now();
        connection?.send(bytes);
      };
      openConnection(port, {
        onAnswer(status, answer, bodyStart) {
          const now = performance.now();
          if (bodyLength === undefined && answer.includes(expect, bodyStart))
            bodyLength = answer.length - bodyStart;
          if (status !== 200 || answer.length - bodyStart !== bodyLength) {
            return reject(
              new Error(
                `The server answered ${status}: ${answer.toString('utf8', bodyStart, bodyStart + 500)}`,
              ),
            );
          }
          if (now > endsAt) return resolve();
          times.push(now - sentAt);
          send();
        },
        onError: reject,
      }).then((opened) => {
        connection = opened;
        open.push(opened);
        startedAt ||= performance.now();
        endsAt = startedAt + seconds * 1000;
        send();
      }, reject);
    });
  });
  let spinning = spin;
  const stayAwake = () => void (spinning && setImmediate(stayAwake));
  stayAwake();
  try {
    await Promise.all(finished);
  } finally {
    spinning = false;
    for (const connection of open) connection.close();
  }
  return {
    requests: times.length,
    perSecond: times.length / seconds,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
  };
}
