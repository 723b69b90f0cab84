import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type GraphQLSchema, getOperationAST, OperationTypeNode } from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { v7 as uuidV7 } from 'uuid';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { userKeyOf } from '../domain/user.ts';
import type { Context, ResolverContainer } from '../graphql/context.ts';
import { graphQLErrorOf, maskError } from '../graphql/error.ts';
import type { Operations } from '../graphql/operation.ts';
import { type Authenticator, expiredMessage } from '../ports/authenticator.ts';
import type { Logger } from '../ports/logger.ts';

/**
 * Close codes. The public graphql-ws client comes back after each of them but `unauthenticated`: only that one does not
 * pass by itself.
 */
export const closeCodes = {
  restart: 1012,
  overload: 1013,
  unauthenticated: 4401,
  expired: 4403,
  limit: 4290,
} as const;

/** What one socket, and one user, may take. */
export interface SocketLimits {
  readonly maxMessageBytes: number;
  readonly initWaitMs: number;
  readonly pingMs: number;
  readonly pongWaitMs: number;
  readonly maxSubscriptions: number;
  readonly maxSocketsPerUser: number;
  /** Messages and control frames a client may send in a second, on average over ten. */
  readonly maxMessagesPerSecond: number;
  /** What waits to be sent to a client that does not read. */
  readonly maxBufferedBytes: number;
}

export const defaultSocketLimits: SocketLimits = {
  maxMessageBytes: 64 * 1024,
  initWaitMs: 3_000,
  pingMs: 15_000,
  pongWaitMs: 10_000,
  maxSubscriptions: 20,
  maxSocketsPerUser: 10,
  maxMessagesPerSecond: 20,
  maxBufferedBytes: 1024 * 1024,
};

/** How often all sockets are looked at: pings, silent and slow clients. */
const heartbeatMs = 5_000;

/** Longest delay a timer takes (2^31 - 1 ms, 24 days); a token that lives longer outlives any socket. */
const maxTimerMs = 0x7fff_ffff;

type SocketExtra = Extra & Partial<Record<PropertyKey, never>>;

interface Session {
  readonly socket: WebSocket;
  caller?: Caller;
  lastSeen: number;
  lastPing: number;
  messages: number;
}

/** GraphQL subscriptions over WebSocket, protocol `graphql-transport-ws` (graphql-ws PROTOCOL.md). */
export interface GraphQLOverWebSocket {
  /** Takes over an upgraded connection. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  count(): number;
  /** Closes every socket with 1012, so that clients come back to another process or later. */
  stop(): Promise<void>;
}

export function createGraphQLOverWebSocket(
  {
    schema,
    container,
    authenticator,
    operations,
    logger,
  }: {
    readonly schema: GraphQLSchema;
    readonly container: ResolverContainer;
    readonly authenticator: Authenticator;
    readonly operations: Operations;
    readonly logger: Logger;
  },
  limits: SocketLimits = defaultSocketLimits,
): GraphQLOverWebSocket {
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxMessageBytes,
    maxFragments: 1_024,
    maxBufferedChunks: 1_024,
    perMessageDeflate: false,
    handleProtocols: (protocols) => protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) && GRAPHQL_TRANSPORT_WS_PROTOCOL,
  });
  const sessions = new Map<WebSocket, Session>();
  const socketsByUser = new Map<string, number>();
  const heartbeat = setInterval(beat, heartbeatMs).unref();

  wss.on('connection', (socket) => {
    const now = performance.now();
    const session: Session = { socket, lastSeen: now, lastPing: now, messages: 0 };
    sessions.set(socket, session);
    const seen = () => {
      session.lastSeen = performance.now();
      session.messages += 1;
      if (session.messages > limits.maxMessagesPerSecond * 10) socket.close(closeCodes.limit, 'Too many messages');
    };
    socket.on('message', seen).on('ping', seen).on('pong', seen);
    // ws reports what the client did wrong (oversize, bad frames) and closes with the right code itself.
    socket.on('error', () => {});
    socket.on('close', () => {
      sessions.delete(socket);
      if (session.caller) countSocket(session.caller, -1);
    });
  });

  function beat(): void {
    const now = performance.now();
    for (const session of sessions.values()) {
      session.messages = Math.max(0, session.messages - limits.maxMessagesPerSecond * (heartbeatMs / 1000));
      const silent = now - session.lastSeen > limits.pingMs + limits.pongWaitMs;
      if (silent || session.socket.bufferedAmount > limits.maxBufferedBytes) session.socket.terminate();
      else if (now - session.lastPing >= limits.pingMs) {
        session.lastPing = now;
        session.socket.ping();
      }
    }
  }

  function countSocket(caller: Caller, change: 1 | -1): number {
    const key = `${caller.role}:${userKeyOf({ tenantId: caller.tenantId, userId: caller.subject })}`;
    const count = (socketsByUser.get(key) ?? 0) + change;
    if (count === 0) socketsByUser.delete(key);
    else socketsByUser.set(key, count);
    return count;
  }

  /** Whether the socket may stay; closes it when not. */
  async function admit(session: Session, params: unknown): Promise<boolean> {
    const { socket } = session;
    let caller: Caller;
    try {
      caller = await authenticator.authenticate(bearerToken(params));
    } catch (error) {
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED') {
        const expired = error.message === expiredMessage;
        socket.close(expired ? closeCodes.expired : closeCodes.unauthenticated, error.message);
      } else {
        logger.warn({ err: error }, 'a socket could not be authenticated');
        socket.close(closeCodes.overload, 'Try again later');
      }
      return false;
    }
    if (socket.readyState !== socket.OPEN) return false;
    session.caller = caller;
    const isLimited = caller.role === 'user';
    if (countSocket(caller, 1) > limits.maxSocketsPerUser && isLimited) {
      socket.close(closeCodes.limit, 'Too many sockets for this user');
      return false;
    }
    const lifeMs = caller.expiresAt.getTime() - Date.now();
    const expiry = setTimeout(() => socket.close(closeCodes.expired, expiredMessage), Math.min(lifeMs, maxTimerMs));
    socket.on('close', () => clearTimeout(expiry));
    return true;
  }

  const sessionOf = (extra: SocketExtra): Session => sessions.get(extra.socket as WebSocket) as Session;

  const server = useServer<Record<string, unknown>, SocketExtra>(
    {
      schema,
      connectionInitWaitTimeout: limits.initWaitMs,
      onConnect: ({ connectionParams, extra }) => admit(sessionOf(extra), connectionParams),
      onSubscribe({ extra, subscriptions }, _, { query, operationName, variables }) {
        if (Object.keys(subscriptions).length > limits.maxSubscriptions) {
          const message = `A socket may have ${limits.maxSubscriptions} subscriptions at a time.`;
          return [graphQLErrorOf(new AppError('RATE_LIMITED', message))];
        }
        const document = operations.prepare(query);
        if ('length' in document) return document;
        const operation = getOperationAST(document, operationName);
        if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
          const message = operation
            ? 'Over the WebSocket only subscriptions are allowed; send this one by HTTP POST to the same URL.'
            : 'The document has no operation of that name, or several and none was named.';
          return [graphQLErrorOf(new AppError('BAD_USER_INPUT', message))];
        }
        const contextValue: Context = { caller: sessionOf(extra).caller as Caller, requestId: uuidV7(), container };
        return { schema, document, operationName, variableValues: variables, contextValue };
      },
      onNext(_, __, ___, { contextValue }, result) {
        if (!result.errors) return undefined;
        const { requestId } = contextValue as Context;
        return { data: result.data ?? null, errors: result.errors.map((error) => maskError(error, { requestId, logger })) };
      },
      onError: (_, __, ___, errors) => errors.map((error) => maskError(error, { requestId: uuidV7(), logger })),
    },
    wss,
    0,
  );

  return {
    upgrade(request, socket, head) {
      wss.handleUpgrade(request, socket, head, (client) => wss.emit('connection', client, request));
    },
    count: () => sessions.size,
    async stop() {
      clearInterval(heartbeat);
      for (const { socket } of sessions.values()) socket.close(closeCodes.restart, 'Restarting');
      const closed = Promise.all(
        [...sessions.keys()].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
      );
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000).unref())]);
      for (const socket of sessions.keys()) socket.terminate();
      await server.dispose();
    },
  };
}

function bearerToken(params: unknown): string {
  const given = typeof params === 'object' && params !== null ? Object.getOwnPropertyDescriptor(params, 'authorization')?.value : undefined;
  const token = typeof given === 'string' ? /^(?:Bearer +)?([^ ]+)$/i.exec(given)?.[1] : undefined;
  if (token !== undefined) return token;
  throw new AppError('UNAUTHENTICATED', 'connectionParams.authorization needs a token');
}
