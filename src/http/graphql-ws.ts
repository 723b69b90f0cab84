import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type GraphQLSchema, getOperationAST, OperationTypeNode } from 'graphql';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, MessageType, makeServer } from 'graphql-ws';
import { v7 as uuidV7 } from 'uuid';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { userKeyOf } from '../domain/user.ts';
import type { Context, ResolverContainer } from '../graphql/engine/context.ts';
import { graphQLErrorOf } from '../graphql/engine/error.ts';
import type { Execution } from '../graphql/engine/execute.ts';
import { declaredVariables } from '../graphql/engine/variable-values.ts';
import { type Authenticator, expiredMessage } from '../ports/authenticator.ts';
import type { Logger } from '../ports/logger.ts';
import { closeTable } from './close-codes.ts';
import type { InFlight } from './in-flight.ts';
import { createPushes } from './pushes.ts';
import type { RateLimit } from './rate-limit.ts';

/** What one socket, and one user, may take. */
export interface SocketLimits {
  readonly maxMessageBytes: number;
  readonly initWaitMs: number;
  readonly pingMs: number;
  readonly pongWaitMs: number;
  /** How often all sockets are looked at: who is to be pinged, who is silent. */
  readonly heartbeatMs: number;
  readonly maxSubscriptions: number;
  readonly maxSocketsPerUser: number;
  /** Sockets of all clients together that have not sent `connection_init` yet. */
  readonly maxWaiting: number;
  /** What one subscription keeps in memory while it is open. */
  readonly maxSubscription: SubscriptionLimits;
  /** Messages and control frames a client may send in a second, on average over ten. */
  readonly maxMessagesPerSecond: number;
  /** What waits to be sent to a client that does not read. */
  readonly maxBufferedBytes: number;
}

interface SubscriptionLimits {
  readonly idCharacters: number;
  /** Of the declared variables, as JSON. */
  readonly variablesCharacters: number;
  /** Of the document, 500 bytes each: 200 subscriptions of 960 tokens took 85 MB. */
  readonly tokens: number;
}

export const defaultSocketLimits: SocketLimits = {
  maxMessageBytes: 64 * 1024,
  initWaitMs: 3_000,
  pingMs: 15_000,
  pongWaitMs: 10_000,
  heartbeatMs: 5_000,
  maxSubscriptions: 20,
  maxSocketsPerUser: 10,
  maxWaiting: 10_000,
  maxSubscription: { idCharacters: 1_000, variablesCharacters: 16_000, tokens: 200 },
  maxMessagesPerSecond: 20,
  maxBufferedBytes: 1024 * 1024,
};

/** How many sockets are looked at before something else may run. */
const socketsPerTurn = 200;

/** How long a client may take to answer that its socket is being closed. */
const closeWaitMs = 1_000;

/** Longest delay a timer takes (2^31 - 1 ms, 24 days); a token that lives longer outlives any socket. */
const maxTimerMs = 0x7fff_ffff;

interface SocketContext extends Context {
  readonly socket: WebSocket;
  readonly subscriptionId: string;
  /** The subscription is set up, or could not be. */
  started(): void;
}

interface Session {
  readonly socket: WebSocket;
  readonly address: string | undefined;
  caller?: Caller;
  /** Ids whose subscription is being set up. Mostly none: an empty set for each of ten thousands would take megabytes. */
  starting: readonly string[];
  expiry?: NodeJS.Timeout;
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
    execution,
    rateLimit,
    inFlight: { setUps },
    logger,
  }: {
    readonly schema: GraphQLSchema;
    readonly container: ResolverContainer;
    readonly authenticator: Authenticator;
    readonly execution: Execution;
    readonly rateLimit: RateLimit;
    readonly inFlight: InFlight;
    readonly logger: Logger;
  },
  limits: SocketLimits = defaultSocketLimits,
): GraphQLOverWebSocket {
  // The types do not know closeTimeout yet (ws 8.19).
  const options: ServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    maxPayload: limits.maxMessageBytes,
    maxFragments: 1_024,
    maxBufferedChunks: 1_024,
    perMessageDeflate: false,
    closeTimeout: closeWaitMs,
    handleProtocols: (protocols) =>
      protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) && GRAPHQL_TRANSPORT_WS_PROTOCOL,
  };
  const wss = new WebSocketServer(options);
  const sessions = new Set<Session>();
  const socketsByUser = new Map<string, number>();
  /** Sockets without a caller, oldest first. */
  const waiting = new Set<Session>();
  let last = { head: '', payload: '', bytes: Buffer.alloc(0) };
  const heartbeat = setInterval(() => void beat(), limits.heartbeatMs).unref();

  wss.on('connection', (socket: WebSocket, { socket: { remoteAddress: address } }: IncomingMessage) => {
    const now = performance.now();
    const session: Session = {
      socket,
      address,
      starting: [],
      lastSeen: now,
      lastPing: now,
      messages: 0,
    };
    sessions.add(session);
    startWaiting(session);
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => send(socket, data) ?? Promise.resolve(),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data, isBinary) =>
            receive(session, isBinary ? undefined : String(data), handle),
          );
        },
      },
      session,
    );
    socket.on('ping', () => isWelcome(session)).on('pong', () => isWelcome(session));
    // ws reports what the client did wrong (oversize, bad frames) and closes with the right code itself.
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      sessions.delete(session);
      waiting.delete(session);
      clearTimeout(session.expiry);
      if (session.caller) countSocket(session.caller, -1);
      closed(code, String(reason)).catch((err) => logger.error({ err }, 'a socket was not cleaned up'));
    });
  });

  /**
   * Makes room by closing the oldest socket that waits. A client sends `connection_init` within a round trip, so the oldest
   * sockets are those that are opened only to be held.
   */
  function startWaiting(session: Session): void {
    waiting.add(session);
    const [oldest] = waiting;
    if (waiting.size <= limits.maxWaiting || oldest === undefined) return;
    waiting.delete(oldest);
    oldest.socket.close(closeTable.limit.code, 'Too many sockets wait for connection_init');
  }

  /** Whether what a client sent is looked at: not once its socket is closing, nor when it sends too much. */
  function isWelcome(session: Session): boolean {
    session.lastSeen = performance.now();
    session.messages += 1;
    if (session.socket.readyState !== session.socket.OPEN) return false;
    if (session.messages <= limits.maxMessagesPerSecond * 10) return true;
    session.socket.close(closeTable.limit.code, 'Too many messages');
    return false;
  }

  function receive(
    session: Session,
    text: string | undefined,
    handle: (text: string) => Promise<void>,
  ): void {
    if (!isWelcome(session)) return;
    if (text === undefined) {
      session.socket.close(CloseCode.BadRequest, 'Messages are text');
      return;
    }
    handle(text).catch((err) => {
      if (err instanceof AppError && err.code === 'RATE_LIMITED') {
        session.socket.close(closeTable.limit.code, err.message);
        return;
      }
      // What the protocol has no answer for: a message that only a server sends.
      if (err instanceof Error && err.message.startsWith('Unexpected message of type')) {
        session.socket.close(CloseCode.BadRequest, 'Unexpected message type');
        return;
      }
      logger.error({ err }, 'a message could not be handled');
      session.socket.close(closeTable.overload.code, 'Try again later');
    });
  }

  /** A message and its encoding, shared by all sockets that get the same under the same id. */
  function bytesOf(head: string, payload: string): Buffer {
    if (last.payload !== payload || last.head !== head)
      last = { head, payload, bytes: Buffer.from(`${head}${payload}}`) };
    return last.bytes;
  }

  /** Resolves when it is on its way; undefined when it already is. */
  function send(socket: WebSocket, data: string | Buffer): Promise<void> | undefined {
    if (socket.readyState !== socket.OPEN) return undefined;
    let settle: ((error?: Error | null) => void) | undefined;
    socket.send(data, { binary: false }, (error) => settle?.(error));
    if (socket.bufferedAmount === 0) return undefined;
    if (socket.bufferedAmount > limits.maxBufferedBytes) socket.terminate();
    return new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve());
    });
  }

  async function beat(): Promise<void> {
    let looked = 0;
    const now = performance.now();
    for (const session of sessions) {
      // Pushes do not wait until thousands of sockets are pinged.
      looked += 1;
      if (looked % socketsPerTurn === 0) await nextTurn();
      session.messages = Math.max(
        0,
        session.messages - limits.maxMessagesPerSecond * (limits.heartbeatMs / 1000),
      );
      const silent = now - session.lastSeen > limits.pingMs + limits.pongWaitMs;
      if (silent) session.socket.terminate();
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
      rateLimit.countRefusal(error, session.address);
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED') {
        const expired = error.message === expiredMessage;
        socket.close(expired ? closeTable.expired.code : closeTable.unauthenticated.code, error.message);
      } else {
        logger.warn({ err: error }, 'a socket could not be authenticated');
        socket.close(closeTable.overload.code, 'Try again later');
      }
      return false;
    }
    rateLimit.countCaller(caller);
    if (socket.readyState !== socket.OPEN) return false;
    session.caller = caller;
    waiting.delete(session);
    const isLimited = caller.role === 'user';
    if (countSocket(caller, 1) > limits.maxSocketsPerUser && isLimited) {
      socket.close(closeTable.limit.code, 'Too many sockets for this user');
      return false;
    }
    const lifeMs = caller.expiresAt.getTime() - Date.now();
    session.expiry = setTimeout(
      () => socket.close(closeTable.expired.code, expiredMessage),
      // In whole seconds, as tokens are: Node keeps a list for each duration there is.
      Math.min(Math.ceil(lifeMs / 1000) * 1000, maxTimerMs),
    );
    return true;
  }

  const pushes = createPushes({ container });
  const protocol = makeServer<Record<string, unknown>, Session>({
    schema,
    connectionInitWaitTimeout: limits.initWaitMs,
    onConnect(socketContext) {
      const { connectionParams, extra } = socketContext;
      // The protocol would keep them as long as the socket.
      Object.assign(socketContext, { connectionParams: undefined });
      return admit(extra, connectionParams);
    },
    onSubscribe({ extra, subscriptions }, id, { query, operationName, variables: given }) {
      const caller = extra.caller as Caller;
      rateLimit.countCaller(caller);
      if (Object.keys(subscriptions).length > limits.maxSubscriptions) {
        const message = `A socket may have ${limits.maxSubscriptions} subscriptions at a time.`;
        return [graphQLErrorOf(new AppError('RATE_LIMITED', message))];
      }
      // Completed and subscribed again before it was set up: the first would take the place of the second and, with
      // nobody to end it, stay for good.
      if (extra.starting.includes(id)) {
        return [graphQLErrorOf(new AppError('BAD_USER_INPUT', 'Take another id: this one is still ending.'))];
      }
      const document = execution.prepare(query);
      if ('length' in document) return document;
      const operation = getOperationAST(document, operationName);
      if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
        const message = operation
          ? 'Over the WebSocket only subscriptions are allowed; send this one by HTTP POST to the same URL.'
          : 'The document has no operation of that name, or several and none was named.';
        return [graphQLErrorOf(new AppError('BAD_USER_INPUT', message))];
      }
      const variables = declaredVariables(operation, given);
      const tooLarge = sizeProblem({ id, tokens: document.tokenCount, variables }, limits.maxSubscription);
      if (tooLarge !== undefined) return [graphQLErrorOf(new AppError('BAD_USER_INPUT', tooLarge))];
      const excess = execution.excess(operation, variables);
      if (excess) return [excess];
      try {
        rateLimit.countOperation(caller, { cost: execution.cost(operation, variables), items: 0 });
      } catch (error) {
        if (error instanceof AppError && error.code === 'QUERY_TOO_COMPLEX') return [graphQLErrorOf(error)];
        throw error;
      }
      const contextValue: SocketContext = {
        caller,
        requestId: uuidV7(),
        container,
        socket: extra.socket,
        subscriptionId: id,
        started() {
          extra.starting = extra.starting.filter((other) => other !== id);
        },
      };
      extra.starting = [...extra.starting, id];
      return { schema, document, operationName, variableValues: variables, contextValue };
    },
    async subscribe(args) {
      const { caller, socket, subscriptionId, requestId, started } = args.contextValue as SocketContext;
      const head = `{"id":${JSON.stringify(subscriptionId)},"type":"${MessageType.Next}","payload":`;
      const turn = setUps.enter(caller);
      if (turn) await turn;
      try {
        return await pushes.subscribe(args, {
          send: (payload) => send(socket, bytesOf(head, payload)),
          mask: (error) => execution.mask(error, requestId),
        });
      } finally {
        setUps.leave(caller);
        started();
      }
    },
    onNext(_, __, ___, { contextValue }, result) {
      if (!result.errors) return undefined;
      const { requestId } = contextValue as Context;
      return {
        data: result.data ?? null,
        errors: result.errors.map((error) => execution.mask(error, requestId)),
      };
    },
    onError: (_, __, ___, errors) => errors.map((error) => execution.mask(error, uuidV7())),
  });

  return {
    upgrade(request, socket, head) {
      wss.handleUpgrade(request, socket, head, (client) => wss.emit('connection', client, request));
    },
    count: () => sessions.size,
    async stop() {
      clearInterval(heartbeat);
      // A client that does not answer is cut off after `closeWaitMs`.
      const closed = [...sessions].map(({ socket }) => {
        socket.close(closeTable.restart.code, 'Restarting');
        return new Promise((resolve) => socket.once('close', resolve));
      });
      await Promise.all(closed);
    },
  };
}

/** What is too large to be kept while a subscription is open. */
function sizeProblem(
  {
    id,
    tokens = 0,
    variables,
  }: { readonly id: string; readonly tokens: number | undefined; readonly variables: object },
  max: SubscriptionLimits,
): string | undefined {
  const allowed = (what: string, count: number) => `${what} of a subscription may have ${count}`;
  if (id.length > max.idCharacters) return `${allowed('The id', max.idCharacters)} characters.`;
  if (tokens > max.tokens) return `${allowed('The document', max.tokens)} tokens; this one has ${tokens}.`;
  if (lengthAsJson(variables) <= max.variablesCharacters) return undefined;
  return `${allowed('The variables', max.variablesCharacters)} characters as JSON.`;
}

/** Infinity when the value is nested too deep to be written down. */
function lengthAsJson(value: unknown): number {
  try {
    return JSON.stringify(value).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function bearerToken(params: unknown): string {
  const given =
    typeof params === 'object' && params !== null
      ? Object.getOwnPropertyDescriptor(params, 'authorization')?.value
      : undefined;
  const token = typeof given === 'string' ? /^(?:Bearer +)?([^ ]+)$/i.exec(given)?.[1] : undefined;
  if (token !== undefined) return token;
  throw new AppError('UNAUTHENTICATED', 'connectionParams.authorization needs a token');
}
