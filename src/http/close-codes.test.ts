import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import { expect, it, onTestFinished } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { closeTable } from './close-codes.ts';

it.each(Object.entries(closeTable))(
  'the public client connects again after %s only if the table says so',
  async (_, entry) => {
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      handleProtocols: () => 'graphql-transport-ws',
    });
    onTestFinished(() => server.close());
    await once(server, 'listening');
    let connections = 0;
    server.on('connection', (socket) => {
      connections += 1;
      // A client reports 1006 if the connection ends without a close frame.
      if (entry.code === 1006) socket.terminate();
      else socket.close(entry.code);
    });
    const client = createClient({
      url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
      webSocketImpl: WebSocket,
      retryAttempts: 1,
      retryWait: async () => {},
      onNonLazyError: () => {},
    });
    await new Promise<void>((resolve) =>
      client.subscribe(
        { query: 'subscription { a }' },
        { next() {}, error: () => resolve(), complete: resolve },
      ),
    );
    expect(connections).toBe(entry.reconnects ? 2 : 1);
  },
);
