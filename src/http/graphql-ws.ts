import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs, GraphQLError, GraphQLSchema } from 'graphql';
import {
  CloseCode,
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  makeServer,
  type Server,
  type ServerOptions,
} from 'graphql-ws';
import { v7 as uuidV7 } from 'uuid';
import { type WebSocket, WebSocketServer, type ServerOptions as WebSocketServerOptions } from 'ws';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import type { Context, ResolverContainer } from '../graphql/engine/context.ts';
import { graphQLErrorOf } from '../graphql/engine/error.ts';
import type { Execution } from '../graphql/engine/execute.ts';
import { type Authenticator, expiredMessage } from '../ports/authenticator.ts';
import type { Logger } from '../ports/logger.ts';
import { closeTable } from './close-codes.ts';
import type { InFlight } from './in-flight.ts';
import { createPushes } from './pushes.ts';
import type { RateLimit } from './rate-limit.ts';
import { createSessions, type Session, type Sessions } from './sessions.ts';
import { defaultSocketLimits, type SocketLimits } from './socket-limits.ts';
import { createSocketSend, headOfNext, type SocketSend } from './socket-send.ts';
import { readSubscription, type SubscribePayload } from './subscription-request.ts';

/** The time in ms that the server waits for the client to confirm the close of a socket. */
const closeWaitMs = 1_000;

interface SocketContext extends Context {
  readonly socket: WebSocket;
  readonly subscriptionId: string;
  /** Called when the subscription is set up or has failed. */
  started(): void;
}

interface Deps {
  readonly schema: GraphQLSchema;
  readonly container: ResolverContainer;
  readonly authenticator: Authenticator;
  readonly execution: Execution;
  readonly rateLimit: RateLimit;
  readonly inFlight: InFlight;
  readonly logger: Logger;
}

/**
 * Serves GraphQL subscriptions over WebSocket with the protocol `graphql-transport-ws` (graphql-ws
 * PROTOCOL.md).
 */
export interface GraphQLOverWebSocket {
  /** Handles a request to upgrade a connection to WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  count(): number;
  /**
   * Closes every socket with 1012, so that its client connects to another process, or connects again later.
   */
  stop(): Promise<void>;
}

export function createGraphQLOverWebSocket(
  deps: Deps,
  limits: SocketLimits = defaultSocketLimits,
): GraphQLOverWebSocket {
  const server = new WebSocketServer(serverOptions(limits));
  const sessions = createSessions(limits);
  const send = createSocketSend(limits);
  const protocol = makeServer(protocolOptions(deps, limits, sessions, send));

  server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const session = sessions.open(socket, request.socket.remoteAddress);
    openProtocol(deps, protocol, sessions, send, session);
  });

  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request));
    },
    count: sessions.count,
    // ws terminates the socket of a client that does not confirm the close within `closeWaitMs`.
    stop: sessions.stop,
  };
}

function serverOptions({ maxMessageBytes }: SocketLimits): WebSocketServerOptions {
  // The types of ws do not contain closeTimeout yet (ws 8.19).
  const options: WebSocketServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    maxPayload: maxMessageBytes,
    maxFragments: 1_024,
    maxBufferedChunks: 1_024,
    perMessageDeflate: false,
    closeTimeout: closeWaitMs,
    handleProtocols: (protocols) =>
      protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) && GRAPHQL_TRANSPORT_WS_PROTOCOL,
  };
  return options;
}

/** Runs the protocol on a socket until the socket closes. */
function openProtocol(
  deps: Deps,
  protocol: Server<Session>,
  sessions: Sessions,
  send: SocketSend,
  session: Session,
): void {
  const { socket } = session;
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (data) => send.text(socket, data) ?? Promise.resolve(),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) => {
        socket.on('message', (data, isBinary) => {
          if (sessions.accepts(session)) receive(deps, session, isBinary ? undefined : String(data), handle);
        });
      },
    },
    session,
  );
  socket.on('ping', () => sessions.accepts(session)).on('pong', () => sessions.accepts(session));
  // ws emits `error` for mistakes of the client, such as bad frames or messages that are too large. ws then
  // closes the socket with the right code.
  socket.on('error', () => {});
  socket.on('close', (code, reason) => {
    sessions.closed(session);
    closed(code, String(reason)).catch((err) =>
      deps.logger.error({ err }, 'the server could not clean up a socket'),
    );
  });
}

/** Handles a message. `text` is undefined if the message is binary. */
function receive(
  { logger }: Deps,
  { socket }: Session,
  text: string | undefined,
  handle: (text: string) => Promise<void>,
): void {
  if (text === undefined) {
    socket.close(CloseCode.BadRequest, 'Send messages as text');
    return;
  }
  handle(text).catch((err) => {
    if (err instanceof AppError && err.code === 'RATE_LIMITED') {
      socket.close(closeTable.limit.code, err.message);
      return;
    }
    // The protocol does not define how to answer a client that sends a message of the server.
    if (err instanceof Error && err.message.startsWith('Unexpected message of type')) {
      socket.close(CloseCode.BadRequest, 'Unexpected message type');
      return;
    }
    logger.error({ err }, 'the server could not handle a message');
    socket.close(closeTable.overload.code, 'Try again later');
  });
}

function protocolOptions(
  deps: Deps,
  limits: SocketLimits,
  sessions: Sessions,
  send: SocketSend,
): ServerOptions<Record<string, unknown>, Session> {
  const { schema, execution } = deps;
  const pushes = createPushes({ container: deps.container });
  return {
    schema,
    connectionInitWaitTimeout: limits.initWaitMs,
    onConnect(socketContext) {
      const { connectionParams, extra } = socketContext;
      // Otherwise graphql-ws would keep the parameters in memory until the socket closes.
      Object.assign(socketContext, { connectionParams: undefined });
      return authenticate(deps, sessions, extra, connectionParams);
    },
    onSubscribe: ({ extra, subscriptions }, id, payload) =>
      acceptSubscription(deps, limits, extra, Object.keys(subscriptions).length, id, payload),
    subscribe: (args) => subscribe(deps, pushes, send, args),
    onNext(_, __, ___, { contextValue }, result) {
      if (!result.errors) return undefined;
      const { requestId } = contextValue as Context;
      const errors = result.errors.map((error) => execution.mask(error, requestId));
      return { data: result.data ?? null, errors };
    },
    onError: (_, __, ___, errors) => errors.map((error) => execution.mask(error, uuidV7())),
  };
}

/** Authenticates a socket. Closes the socket and returns false if the token is refused. */
async function authenticate(
  { authenticator, rateLimit, logger }: Deps,
  sessions: Sessions,
  session: Session,
  params: unknown,
): Promise<boolean> {
  const { socket, address } = session;
  let caller: Caller;
  try {
    caller = await authenticator.authenticate(bearerToken(params));
  } catch (error) {
    rateLimit.countRefusal(error, address);
    if (error instanceof AppError && error.code === 'UNAUTHENTICATED') {
      const expired = error.message === expiredMessage;
      socket.close(expired ? closeTable.expired.code : closeTable.unauthenticated.code, error.message);
    } else {
      logger.warn({ err: error }, 'the server could not authenticate a socket');
      socket.close(closeTable.overload.code, 'Try again later');
    }
    return false;
  }
  rateLimit.countCaller(caller);
  return socket.readyState === socket.OPEN && sessions.identify(session, caller);
}

/**
 * Checks and charges a subscription. Returns the arguments with which graphql-ws subscribes, or the errors.
 */
function acceptSubscription(
  { schema, container, execution, rateLimit }: Deps,
  limits: SocketLimits,
  session: Session,
  /** The number of subscriptions of the socket, including the new subscription. */
  subscriptions: number,
  id: string,
  payload: SubscribePayload,
): ExecutionArgs | readonly GraphQLError[] {
  const caller = session.caller as Caller;
  rateLimit.countCaller(caller);
  if (subscriptions > limits.maxSubscriptions) {
    const message = `A socket may have at most ${limits.maxSubscriptions} subscriptions at a time.`;
    return [graphQLErrorOf(new AppError('RATE_LIMITED', message))];
  }
  // The client has completed a subscription and uses its id again before that subscription is set up. The
  // first subscription would then replace the second, and no message could end the first.
  if (session.starting.includes(id)) {
    return [
      graphQLErrorOf(
        new AppError('BAD_USER_INPUT', 'A subscription with this id is still ending. Use another id.'),
      ),
    ];
  }
  const requested = readSubscription(execution, limits.maxSubscription, id, payload);
  if ('length' in requested) return requested;
  const { document, operation, variables } = requested;
  try {
    rateLimit.countOperation(caller, { cost: execution.cost(operation, variables), items: 0 });
  } catch (error) {
    if (error instanceof AppError && error.code === 'QUERY_TOO_COMPLEX') return [graphQLErrorOf(error)];
    throw error;
  }
  session.starting = [...session.starting, id];
  const contextValue: SocketContext = {
    caller,
    requestId: uuidV7(),
    container,
    socket: session.socket,
    subscriptionId: id,
    started() {
      session.starting = session.starting.filter((startingId) => startingId !== id);
    },
  };
  return { schema, document, operationName: payload.operationName, variableValues: variables, contextValue };
}

/** Waits until the subscription may be set up, then sets it up. */
async function subscribe(
  { execution, inFlight: { setUps } }: Deps,
  pushes: ReturnType<typeof createPushes>,
  send: SocketSend,
  args: ExecutionArgs,
) {
  const { caller, socket, subscriptionId, requestId, started } = args.contextValue as SocketContext;
  const head = headOfNext(subscriptionId);
  const turn = setUps.enter(caller);
  if (turn) await turn;
  try {
    return await pushes.subscribe(args, {
      send: (payload) => send.next(socket, head, payload),
      mask: (error) => execution.mask(error, requestId),
    });
  } finally {
    setUps.leave(caller);
    started();
  }
}

function bearerToken(params: unknown): string {
  const given =
    typeof params === 'object' && params !== null
      ? Object.getOwnPropertyDescriptor(params, 'authorization')?.value
      : undefined;
  const token = typeof given === 'string' ? /^(?:Bearer +)?([^ ]+)$/i.exec(given)?.[1] : undefined;
  if (token !== undefined) return token;
  throw new AppError('UNAUTHENTICATED', 'Send a token in connectionParams.authorization');
}
