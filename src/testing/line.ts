import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * - `up`: all bytes pass.
 * - `silent`: connections stay open, new connections are accepted, and no byte passes.
 * - `answerless`: the database receives everything. When the database answers, the line cuts the connection
 * and drops the answer.
 */
export type LineState = 'up' | 'silent' | 'answerless';

/** A proxy to a database that can simulate faults. */
export interface Line {
  readonly connectionString: string;
  set(state: LineState): void;
  close(): Promise<void>;
}

export async function openLine(connectionString: string): Promise<Line> {
  const url = new URL(connectionString);
  const host = url.searchParams.get('host') ?? url.hostname;
  const port = Number(url.searchParams.get('port') ?? (url.port || 5432));
  let state: LineState = 'up';
  const sockets = new Set<Socket>();

  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    near.on('data', (chunk) => {
      if (state !== 'silent') far.write(chunk);
    });
    far.on('data', (chunk) => {
      if (state === 'up') near.write(chunk);
      else if (state === 'answerless') near.destroy();
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        if (state !== 'silent') other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.search = '';
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    connectionString: url.href,
    set(next) {
      state = next;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
