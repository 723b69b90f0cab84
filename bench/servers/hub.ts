import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';
import { answerParent, readArgument } from '../child-main.ts';
import { listen } from './serve.ts';

export interface HubOptions {
  readonly redisUrl: string;
}

// This server shows the minimal cost of a push in this language with this library. The server forwards the
// messages of a channel unchanged to the sockets of that channel.
const { redisUrl } = readArgument<HubOptions>();
const redis = new Redis(redisUrl);
const socketsByChannel = new Map<string, Set<WebSocket>>();
redis.on('message', (channel, value) => {
  for (const socket of socketsByChannel.get(channel) ?? []) socket.send(value);
});

const server = createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', async (socket, request) => {
  const channel = `unseen:badge:${(request.url ?? '').slice(1)}\nnotifications`;
  const sockets = socketsByChannel.get(channel) ?? new Set();
  socketsByChannel.set(channel, sockets.add(socket));
  socket.on('close', () => sockets.delete(socket));
  if (sockets.size === 1) await redis.subscribe(channel);
  socket.send('{"version":0}');
});
answerParent({ port: await listen(server) });
