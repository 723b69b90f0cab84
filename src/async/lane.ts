import { AppError } from '../domain/error.ts';
import type { UserKey } from '../domain/user.ts';

/** The bounds on concurrent work. */
export interface LaneBounds {
  readonly total: number;
  readonly perTenant: number;
  readonly perUser: number;
  /** The most tasks of a user that wait for their turn. More are refused. */
  readonly maxWaitingPerUser: number;
  /** A task that has waited this long, in ms, is refused. If absent, a task waits until its turn. */
  readonly maxWaitMs?: number;
  /** The name of the tasks in error texts, in the plural. */
  readonly what: string;
}

/**
 * Runs a bounded amount of work at once, and bounds the part of each user and each tenant. Tasks beyond the
 * bounds wait. Waiting tenants take turns, and so do the waiting users of a tenant.
 */
export interface Lane {
  /**
   * Begins a task. Returns undefined if the task may run at once. Otherwise the promise resolves when its
   * turn comes. It rejects with RATE_LIMITED if too many tasks of the same user wait, and with UNAVAILABLE if
   * the turn does not come in time. A task takes `weight` (default 1) of the bounds. A task that is heavier
   * than a bound runs alone.
   */
  enter(who: UserKey, perUser?: number, weight?: number): Promise<void> | undefined;
  /** Ends a task that was running. */
  leave(who: UserKey, weight?: number): void;
  /** The total weight of the running tasks. */
  running(): number;
  waiting(): number;
  /** How many tasks were refused. */
  refused(): number;
}

interface WaitingTask {
  readonly perUser: number;
  readonly weight: number;
}

interface Waiter extends WaitingTask {
  readonly start: () => void;
}

interface UserState {
  running: number;
  readonly waiters: Waiter[];
}

interface TenantState {
  running: number;
  readonly users: Map<string, UserState>;
  /** Users with waiting tasks. The user with the next turn is first. */
  readonly queue: Map<string, UserState>;
}

/** Runs work in a lane. */
export async function runIn<T>(lane: Lane, who: UserKey, work: () => Promise<T>): Promise<T> {
  const turn = lane.enter(who);
  if (turn) await turn;
  try {
    return await work();
  } finally {
    lane.leave(who);
  }
}

export function createLane(bounds: LaneBounds): Lane {
  const { total, perTenant, maxWaitingPerUser, maxWaitMs, what } = bounds;
  const tenants = new Map<string, TenantState>();
  const queue = createQueue();
  let running = 0;
  let refused = 0;

  function count(tenant: TenantState, user: UserState, change: number): void {
    running += change;
    tenant.running += change;
    user.running += change;
  }

  /** Starts the waiting tasks that may run now. */
  function serve(): void {
    for (const [tenantId, tenant] of queue.tenants) {
      for (const [userId, user] of tenant.queue) {
        const [next] = user.waiters;
        if (!next) continue;
        if (!fits(running, next.weight, total)) return;
        if (!fits(tenant.running, next.weight, perTenant)) break;
        if (!fits(user.running, next.weight, next.perUser)) continue;
        count(tenant, user, next.weight);
        queue.remove(next, { tenantId, userId }, tenant, user);
        queue.rotate({ tenantId, userId }, tenant, user);
        next.start();
        break;
      }
    }
  }

  function wait(who: UserKey, task: WaitingTask, tenant: TenantState, user: UserState): Promise<void> {
    if (user.waiters.length >= maxWaitingPerUser) {
      refused += 1;
      forget(tenants, who, tenant, user);
      const message = `Too many ${what} at once: wait for answers before you send more.`;
      return Promise.reject(new AppError('RATE_LIMITED', message, { retryAfterSec: 1 }));
    }
    return new Promise((resolve, reject) => {
      const waiter = createWaiter(task, { maxWaitMs, onStart: resolve, onTimeout });
      function onTimeout(): void {
        refused += 1;
        queue.remove(waiter, who, tenant, user);
        forget(tenants, who, tenant, user);
        const message = `Too many ${what} are waiting; try again.`;
        reject(new AppError('UNAVAILABLE', message, { retryAfterSec: 1 }));
      }
      queue.add(waiter, who, tenant, user);
    });
  }

  return {
    enter(who, perUser = bounds.perUser, weight = 1) {
      const [tenant, user] = stateOf(tenants, who);
      const mayRun =
        fits(running, weight, total) &&
        fits(tenant.running, weight, perTenant) &&
        fits(user.running, weight, perUser);
      if (!mayRun) return wait(who, { perUser, weight }, tenant, user);
      count(tenant, user, weight);
      return undefined;
    },
    leave(who, weight = 1) {
      const [tenant, user] = stateOf(tenants, who);
      count(tenant, user, -weight);
      if (queue.size() > 0) serve();
      forget(tenants, who, tenant, user);
    },
    running: () => running,
    waiting: queue.size,
    refused: () => refused,
  };
}

/** The state of a tenant and of a user, new if the lane does not know them. */
function stateOf(
  tenants: Map<string, TenantState>,
  { tenantId, userId }: UserKey,
): readonly [TenantState, UserState] {
  let tenant = tenants.get(tenantId);
  if (!tenant) {
    tenant = { running: 0, users: new Map(), queue: new Map() };
    tenants.set(tenantId, tenant);
  }
  let user = tenant.users.get(userId);
  if (!user) {
    user = { running: 0, waiters: [] };
    tenant.users.set(userId, user);
  }
  return [tenant, user];
}

/** Removes a user without tasks, and a tenant without users. */
function forget(
  tenants: Map<string, TenantState>,
  { tenantId, userId }: UserKey,
  tenant: TenantState,
  user: UserState,
): void {
  if (user.running > 0 || user.waiters.length > 0) return;
  tenant.users.delete(userId);
  if (tenant.users.size === 0) tenants.delete(tenantId);
}

/** Creates a waiting task. Calls `onTimeout` if the task does not start within `maxWaitMs`. */
function createWaiter(
  task: WaitingTask,
  {
    maxWaitMs,
    onStart,
    onTimeout,
  }: {
    readonly maxWaitMs: number | undefined;
    readonly onStart: () => void;
    readonly onTimeout: () => void;
  },
): Waiter {
  const timeout = maxWaitMs === undefined ? undefined : setTimeout(onTimeout, maxWaitMs);
  return {
    ...task,
    start() {
      clearTimeout(timeout);
      onStart();
    },
  };
}

/** The waiting tasks of a lane. The tenant with the next turn is first, and so is the user of each tenant. */
function createQueue() {
  const tenants = new Map<string, TenantState>();
  let size = 0;
  return {
    tenants: tenants as ReadonlyMap<string, TenantState>,
    size: () => size,
    add(waiter: Waiter, { tenantId, userId }: UserKey, tenant: TenantState, user: UserState): void {
      user.waiters.push(waiter);
      tenant.queue.set(userId, user);
      tenants.set(tenantId, tenant);
      size += 1;
    },
    remove(waiter: Waiter, { tenantId, userId }: UserKey, tenant: TenantState, user: UserState): void {
      size -= 1;
      user.waiters.splice(user.waiters.indexOf(waiter), 1);
      if (user.waiters.length === 0) tenant.queue.delete(userId);
      if (tenant.queue.size === 0) tenants.delete(tenantId);
    },
    /** Puts the user and the tenant behind the users and tenants that wait, if they still have waiting tasks. */
    rotate({ tenantId, userId }: UserKey, tenant: TenantState, user: UserState): void {
      if (user.waiters.length > 0) requeue(tenant.queue, userId, user);
      if (tenant.queue.size > 0) requeue(tenants, tenantId, tenant);
    },
  };
}

const fits = (running: number, weight: number, bound: number) => running === 0 || running + weight <= bound;

function requeue<Value>(queue: Map<string, Value>, key: string, value: Value): void {
  queue.delete(key);
  queue.set(key, value);
}
