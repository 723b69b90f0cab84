import type { ServerResponse } from 'node:http';
import { createLane, type Lane } from '../async/lane.ts';
import type { Caller } from '../domain/caller.ts';
import type { UserKey } from '../domain/user.ts';

/** How many operations run at once, over HTTP and while subscriptions are set up. */
export interface InFlight {
  /** Queries and mutations. As many of a user as may run may also wait; more are refused with RATE_LIMITED. */
  readonly operations: CallerLane;
  /**
   * Subscriptions that are being set up. All of them wait for their turn, because a client that reconnects after a restart
   * sends all its subscriptions at once; the limits of sockets bound how many that are.
   */
  readonly setUps: CallerLane;
  /**
   * Operations of more than `bulkItems` items, while they run as operations. Items keep the event loop and the log busy, so
   * the lane bounds how many are under way. Operations beyond them wait; `operations` bounds how many wait.
   */
  readonly bulk: {
    enter(caller: Caller, items: number): Promise<void> | undefined;
    leave(caller: Caller, items: number): void;
    waiting(): number;
  };
}

/** An operation of more items is bulk. */
export const bulkItems = 50;

/** In items. The log writes 500 at once: of a caller as many again are read meanwhile. */
const bulkBounds = { total: 2_000, perTenant: 1_500, perUser: 1_000 };

/** A lane of callers. */
export interface CallerLane extends Pick<Lane, 'running' | 'waiting' | 'refused'> {
  /** Like `Lane.enter`. */
  enter(caller: Caller): Promise<void> | undefined;
  leave(caller: Caller): void;
}

/** How many more subscriptions than operations are set up at once: their snapshots are read together. */
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

/** Names a caller within the tenant. No user id holds a line break. */
const placeOf = ({ tenantId, role, subject }: Caller): UserKey => ({
  tenantId,
  userId: role === 'user' ? subject : `\n${subject}`,
});

/** Calls `done` when an answer was handed to the system, or the client is gone: until then the answer takes memory. */
export function whenSent(response: ServerResponse, done: () => void): void {
  const { socket } = response.req;
  if (response.writableFinished || socket.destroyed) {
    done();
    return;
  }
  // Node emits this once for either. An answer that waits behind others of its connection has no socket yet, and no event
  // when the client is gone.
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
