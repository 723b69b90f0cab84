import pg from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { type WebSocket, WebSocketServer } from 'ws';
import { answerParent, readArgument } from '../child-main.ts';
import { createBareServer, listen } from './serve.ts';

export interface FloorOptions {
  readonly databaseUrl: string;
}

interface Body {
  readonly variables: { readonly input: { readonly userId: string; readonly content: object } };
}

// This server does only the minimal work of a durable push. For each request the server commits one INSERT,
// and then sends a message on the user's raw socket.
const { databaseUrl } = readArgument<FloorOptions>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
await pool.query(
  'CREATE TABLE notification (id uuid PRIMARY KEY, user_id text NOT NULL, content jsonb NOT NULL)',
);
const watchers = new Map<string, { readonly socket: WebSocket; version: number }>();

const server = createBareServer(async (body) => {
  const { userId, content } = (body as Body).variables.input;
  const id = uuidV7();
  await pool.query({
    name: 'insert',
    text: 'INSERT INTO notification (id, user_id, content) VALUES ($1, $2, $3)',
    values: [id, userId, JSON.stringify(content)],
  });
  const watcher = watchers.get(userId);
  if (watcher) {
    watcher.version += 1;
    push(watcher);
  }
  return JSON.stringify({ data: { sendNotification: { notificationId: id, userErrors: [] } } });
});

new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, request) => {
  const watcher = { socket, version: 0 };
  watchers.set((request.url ?? '').slice(1), watcher);
  push(watcher);
});
answerParent({ port: await listen(server) });

function push({ socket, version }: { readonly socket: WebSocket; readonly version: number }): void {
  const badge = { key: 'notifications', unseen: version, unread: version, version, display: String(version) };
  socket.send(JSON.stringify({ kind: 'CHANGE', cause: 'ARRIVED', badge }));
}
