import type { ServerResponse } from 'node:http';
import { createLane, type Lane } from '../async/lane.ts';
import type { Caller } from '../domain/caller.ts';
import type { UserKey } from '../domain/user.ts';

/** Limits how many operations run at once over HTTP, and how many subscriptions are set up at once. */
export interface InFlight {
  /**
   * Queries and mutations. If the maximum number of operations of a user run, the same number of further
   * operations may wait. Unseen refuses operations above that with RATE_LIMITED.
   */
  readonly operations: CallerLane;
  /**
   * Subscriptions that are being set up. Subscriptions over the limit wait, and none is refused, because a
   * client that reconnects after a restart sends all its subscriptions at once. The socket limits bound the
   * number of waiting subscriptions.
   */
  readonly setUps: CallerLane;
  /**
   * Operations with more than `bulkItems` items. Each of these operations also counts in `operations`. Items
   * keep the event loop and the log busy, so this lane limits how many items are processed at once.
   * Operations over the limit wait. `operations` limits how many operations wait.
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
 * The limits on concurrent bulk operations, as numbers of items. The log writes 500 items at once. With 1000
 * items per user, the server can read the next 500 items of a user while the log writes.
 */
const bulkBounds = { total: 2_000, perTenant: 1_500, perUser: 1_000 };

/** A lane whose tasks belong to callers. */
export interface CallerLane extends Pick<Lane, 'running' | 'waiting' | 'refused'> {
  /** Like `Lane.enter`. */
  enter(caller: Caller): Promise<void> | undefined;
  leave(caller: Caller): void;
}

/**
 * The number of subscriptions that may be set up at once, per operation that may run at once. The number is
 * above 1 because the snapshots of subscriptions are read together.
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
 * Returns the key of a caller within its tenant. The key of a service begins with a line break. No user id
 * contains a line break, so a service and a user never have the same key.
 */
const placeOf = ({ tenantId, role, subject }: Caller): UserKey => ({
  tenantId,
  userId: role === 'user' ? subject : `\n${subject}`,
});

/**
 * Calls `done` when the operating system has taken the answer, or when the client has disconnected. Until
 * then, the answer takes memory of this process.
 */
export function whenSent(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  if (response.writableFinished || socket.destroyed) {
    done();
    return;
  }
  // The response emits `close` exactly once, either after it is sent or when the client disconnects. But a
  // response that waits behind other responses of its connection has no socket yet. Such a response emits
  // nothing when the client disconnects.
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
