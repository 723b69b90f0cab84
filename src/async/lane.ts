import { AppError } from '../domain/error.ts';
import type { UserKey } from '../domain/user.ts';

/** The limits on concurrent tasks. */
export interface LaneBounds {
  readonly total: number;
  readonly perTenant: number;
  readonly perUser: number;
  /** The maximum number of waiting tasks of a user. Further tasks are refused. */
  readonly maxWaitingPerUser: number;
  /**
   * The maximum wait of a task, in ms. A task that waits longer is refused. If absent, tasks wait without
   * limit.
   */
  readonly maxWaitMs?: number;
  /** The plural name of the tasks, for error texts. */
  readonly what: string;
}

/**
 * Limits the number of running tasks, in total, per tenant and per user. Tasks over a limit wait. The waiting
 * tenants take turns, and the waiting users of a tenant take turns.
 */
export interface Lane {
  /**
   * Begins a task. Returns undefined if the task may run at once. Otherwise returns a promise that resolves
   * when the task may run. The promise rejects with RATE_LIMITED if too many tasks of the same user wait, and
   * with UNAVAILABLE if the task has waited for too long. The task counts as `weight` tasks, by default 1. A
   * task whose weight is above a limit runs alone.
   */
  enter(who: UserKey, perUser?: number, weight?: number): Promise<void> | undefined;
  /** Ends a task that was running. */
  leave(who: UserKey, weight?: number): void;
  /** The total weight of the running tasks. */
  running(): number;
  waiting(): number;
  /** Returns the number of tasks that were refused. */
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

/** Returns the state of a tenant and of a user. Creates each state that does not exist. */
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

/**
 * The waiting tasks of a lane. The tenant whose turn is next is first. In each tenant, the user whose turn is
 * next is first.
 */
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
    /**
     * Moves the user behind the other waiting users, and the tenant behind the other waiting tenants. Has no
     * effect on a user or tenant without waiting tasks.
     */
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
