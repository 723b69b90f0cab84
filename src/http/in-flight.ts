import type { ServerResponse } from 'node:http';
import { createLane, type Lane } from '../async/lane.ts';
import type { Caller } from '../domain/caller.ts';
import type { UserKey } from '../domain/user.ts';

/** Bounds how many operations run at once over HTTP, and how many subscriptions are set up at once. */
export interface InFlight {
  /**
   * Queries and mutations. As many operations of a user may wait as may run. Further operations are refused
   * with RATE_LIMITED.
   */
  readonly operations: CallerLane;
  /**
   * Subscriptions that are being set up. Every subscription waits for its turn and none is refused, because a
   * client that reconnects after a restart sends all its subscriptions at once. The socket limits bound their
   * number.
   */
  readonly setUps: CallerLane;
  /**
   * Operations of more than `bulkItems` items. Each of them also counts in `operations`. Items keep the event
   * loop and the log busy, so this lane bounds how many items run at once. Further operations wait, and
   * `operations` bounds how many wait.
   */
  readonly bulk: {
    enter(caller: Caller, items: number): Promise<void> | undefined;
    leave(caller: Caller, items: number): void;
    waiting(): number;
  };
}

/** An operation with more items than this is a bulk operation. */
export const bulkItems = 50;

/**
 * The bounds on concurrent bulk operations, in items. The log writes 500 items at once. Meanwhile the next
 * 500 items of the same caller can be read.
 */
const bulkBounds = { total: 2_000, perTenant: 1_500, perUser: 1_000 };

/** A lane whose tasks belong to callers. */
export interface CallerLane extends Pick<Lane, 'running' | 'waiting' | 'refused'> {
  /** Like `Lane.enter`. */
  enter(caller: Caller): Promise<void> | undefined;
  leave(caller: Caller): void;
}

/**
 * How many times more subscriptions than operations are set up at once. Their snapshots are read together.
 */
const setUpsPerOperation = 5;

export function createInFlight({
  perUser,
  perTenant,
}: {
  readonly perUser: number;
  readonly perTenant: number;
}): InFlight {
  const total = Number.POSITIVE_INFINITY;
  const perService = Math.ceil(perTenant / 2);
  const maxWaitingPerUser = Number.POSITIVE_INFINITY;
  const bulk = createLane({ what: 'bulk operations', ...bulkBounds, maxWaitingPerUser });
  return {
    operations: ofCallers(
      createLane({ what: 'operations', total, perTenant, perUser, maxWaitingPerUser: perUser }),
      perService,
    ),
    setUps: ofCallers(
      createLane({
        what: 'subscriptions',
        total,
        perTenant: perTenant * setUpsPerOperation,
        perUser: perUser * setUpsPerOperation,
        maxWaitingPerUser,
      }),
      perService * setUpsPerOperation,
    ),
    bulk: {
      enter: (caller, items) => bulk.enter(placeOf(caller), bulkBounds.perUser, items),
      leave: (caller, items) => bulk.leave(placeOf(caller), items),
      waiting: bulk.waiting,
    },
  };
}

function ofCallers({ enter, leave, ...lane }: Lane, perService: number): CallerLane {
  return {
    ...lane,
    enter: (caller) => (caller.role === 'user' ? enter(placeOf(caller)) : enter(placeOf(caller), perService)),
    leave: (caller) => leave(placeOf(caller)),
  };
}

/**
 * Names a caller within its tenant. No user id contains a line break, so a service never shares the place of
 * a user.
 */
const placeOf = ({ tenantId, role, subject }: Caller): UserKey => ({
  tenantId,
  userId: role === 'user' ? subject : `\n${subject}`,
});

/**
 * Calls `done` when the operating system has taken the answer, or the client has disconnected. Until then the
 * answer takes memory.
 */
export function whenSent(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  if (response.writableFinished || socket.destroyed) {
    done();
    return;
  }
  // Node.js emits `close` once in either case. But an answer that waits behind other answers of its
  // connection has no socket yet, so it emits nothing when the client disconnects.
  if (response.socket) {
    response.once('close', done);
    return;
  }
  const settle = () => {
    response.off('finish', settle);
    socket.off('close', settle);
    done();
  };
  response.on('finish', settle);
  socket.on('close', settle);
}
