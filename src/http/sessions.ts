import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { Caller } from '../domain/caller.ts';
import { userKeyOf } from '../domain/user.ts';
import { expiredMessage } from '../ports/authenticator.ts';
import { closeTable } from './close-codes.ts';
import type { SocketLimits } from './socket-limits.ts';

/** The number of sockets that a heartbeat checks before other work may run. */
const socketsPerTurn = 200;

/**
 * The longest delay of a timer, 2^31 - 1 ms or 24 days. If a token is valid for longer, its socket is closed
 * after 24 days.
 */
const maxTimerMs = 0x7fff_ffff;

/** An open socket. */
export interface Session {
  readonly socket: WebSocket;
  readonly address: string | undefined;
  /** undefined until the socket is authenticated. */
  caller?: Caller;
  /**
   * The ids of subscriptions that are being set up. The list is usually empty. A set instead of a list would
   * take megabytes for ten thousand sockets.
   */
  starting: readonly string[];
  expiry?: NodeJS.Timeout;
  lastSeen: number;
  lastPing: number;
  messages: number;
}

/**
 * The open sockets of this process. Closes silent sockets, sockets over a limit, and sockets whose token has
 * expired.
 */
export interface Sessions {
  open(socket: WebSocket, address: string | undefined): Session;
  /** Sets the caller of the session. Closes the socket and returns false if the user has too many sockets. */
  identify(session: Session, caller: Caller): boolean;
  /**
   * Counts a message or control frame. Returns false if the frame must be ignored, because the socket is
   * closing or the client sends too much.
   */
  accepts(session: Session): boolean;
  /** Removes a session whose socket has closed. */
  closed(session: Session): void;
  count(): number;
  /**
   * Closes every socket with 1012, so that its client connects to another process, or connects again later.
   * Resolves when all sockets are closed.
   */
  stop(): Promise<void>;
}

export function createSessions(limits: SocketLimits): Sessions {
  const sessions = new Set<Session>();
  /** Sessions that have no caller yet, oldest first. */
  const waiting = new Set<Session>();
  const socketsByUser = new Map<string, number>();
  const heartbeat = setInterval(() => void beat(sessions, limits), limits.heartbeatMs).unref();

  return {
    open(socket, address) {
      const now = performance.now();
      const session: Session = { socket, address, starting: [], lastSeen: now, lastPing: now, messages: 0 };
      sessions.add(session);
      startWaiting(waiting, session, limits);
      return session;
    },
    identify(session, caller) {
      const { socket } = session;
      session.caller = caller;
      waiting.delete(session);
      const isLimited = caller.role === 'user';
      if (countSocket(socketsByUser, caller, 1) > limits.maxSocketsPerUser && isLimited) {
        socket.close(closeTable.limit.code, 'Too many sockets for this user');
        return false;
      }
      session.expiry = closeWhenExpired(socket, caller);
      return true;
    },
    accepts: (session) => accepts(session, limits),
    closed(session) {
      sessions.delete(session);
      waiting.delete(session);
      clearTimeout(session.expiry);
      if (session.caller) countSocket(socketsByUser, session.caller, -1);
    },
    count: () => sessions.size,
    async stop() {
      clearInterval(heartbeat);
      const closed = [...sessions].map(({ socket }) => {
        socket.close(closeTable.restart.code, 'Restarting');
        return new Promise((resolve) => socket.once('close', resolve));
      });
      await Promise.all(closed);
    },
  };
}

/**
 * Adds a session that has no caller yet. If too many sessions have no caller, closes the oldest of them. A
 * real client sends `connection_init` within one round trip, so the oldest sockets belong to clients that
 * only hold sockets open.
 */
function startWaiting(waiting: Set<Session>, session: Session, { maxWaiting }: SocketLimits): void {
  waiting.add(session);
  const [oldest] = waiting;
  if (waiting.size <= maxWaiting || oldest === undefined) return;
  waiting.delete(oldest);
  oldest.socket.close(closeTable.limit.code, 'Too many sockets wait for connection_init');
}

function accepts(session: Session, { maxMessagesPerSecond }: SocketLimits): boolean {
  session.lastSeen = performance.now();
  session.messages += 1;
  if (session.socket.readyState !== session.socket.OPEN) return false;
  if (session.messages <= maxMessagesPerSecond * 10) return true;
  session.socket.close(closeTable.limit.code, 'Too many messages');
  return false;
}

function closeWhenExpired(socket: WebSocket, { expiresAt }: Caller): NodeJS.Timeout {
  const lifeMs = expiresAt.getTime() - Date.now();
  return setTimeout(
    () => socket.close(closeTable.expired.code, expiredMessage),
    // The delay is rounded up to whole seconds, because Node.js keeps a list of timers for each distinct
    // delay. Tokens expire at whole seconds, so the socket is not closed late.
    Math.min(Math.ceil(lifeMs / 1000) * 1000, maxTimerMs),
  );
}

/** Adds `change` to the number of sockets of a caller. Returns the new number. */
function countSocket(socketsByUser: Map<string, number>, caller: Caller, change: 1 | -1): number {
  const key = `${caller.role}:${userKeyOf({ tenantId: caller.tenantId, userId: caller.subject })}`;
  const count = (socketsByUser.get(key) ?? 0) + change;
  if (count === 0) socketsByUser.delete(key);
  else socketsByUser.set(key, count);
  return count;
}

/** Pings the clients and terminates the sockets of silent clients. */
async function beat(sessions: Iterable<Session>, limits: SocketLimits): Promise<void> {
  let looked = 0;
  const now = performance.now();
  const allowance = limits.maxMessagesPerSecond * (limits.heartbeatMs / 1000);
  for (const session of sessions) {
    // Lets other work run in between, so that pushes do not wait until thousands of sockets are checked.
    looked += 1;
    if (looked % socketsPerTurn === 0) await nextTurn();
    session.messages = Math.max(0, session.messages - allowance);
    const isSilent = now - session.lastSeen > limits.pingMs + limits.pongWaitMs;
    if (isSilent) session.socket.terminate();
    else if (now - session.lastPing >= limits.pingMs) {
      session.lastPing = now;
      session.socket.ping();
    }
  }
}
