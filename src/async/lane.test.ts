import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AppError } from '../domain/error.ts';
import type { UserKey } from '../domain/user.ts';
import { createLane, type Lane, type LaneBounds, runIn } from './lane.ts';

const create = (bounds: Partial<LaneBounds> = {}) =>
  createLane({ what: 'reads', total: 3, perTenant: 2, perUser: 1, maxWaitingPerUser: 5, ...bounds });

const user = (userId: string, tenantId = 'default'): UserKey => ({ tenantId, userId });
const alice = user('alice');
const bob = user('bob');
const carol = user('carol');
const other = user('alice', 'other');

/**
 * Enters the lane for each user in turn. Returns the names of the started tasks, in the order of their start.
 */
function enterAll(lane: Lane, keys: readonly UserKey[]): readonly string[] {
  const started: string[] = [];
  for (const key of keys) {
    const name = `${key.tenantId}/${key.userId}`;
    const turn = lane.enter(key);
    if (turn) void turn.then(() => started.push(name));
    else started.push(name);
  }
  return started;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a lane', () => {
  it('limits the number of running tasks of each user and each tenant', () => {
    const lane = create();
    const started = enterAll(lane, [alice, alice, bob, carol, other]);
    expect(started).toEqual(['default/alice', 'default/bob', 'other/alice']);
    expect([lane.running(), lane.waiting()]).toEqual([3, 2]);
  });

  it('lets the waiting tenants take turns, and the waiting users of a tenant', async () => {
    const lane = create({ total: 1, perTenant: 1 });
    const started = enterAll(lane, [alice, alice, alice, bob, carol, other, other]);
    const order = ['default/alice', 'default/alice', 'other/alice', 'default/bob', 'other/alice'];
    for (const name of [...order, 'default/carol', 'default/alice']) {
      await settled();
      expect(started.at(-1)).toBe(name);
      const [tenantId = '', userId = ''] = name.split('/');
      lane.leave({ tenantId, userId });
    }
    expect([lane.running(), lane.waiting()]).toEqual([0, 0]);
  });

  it('runs a task at once if its tenant is below the limit, even while tasks of a tenant at the limit wait', () => {
    const lane = create();
    const started = enterAll(lane, [alice, bob, alice, bob, carol]);
    expect(started).toEqual(['default/alice', 'default/bob']);
    expect(lane.enter(other)).toBeUndefined();
  });

  it('limits the total weight of the running tasks, and runs a task with a weight above the limit alone', async () => {
    const lane = create({ total: 6, perTenant: 5 });
    expect(lane.enter(alice, 3, 9)).toBeUndefined();
    const started: string[] = [];
    const enter = (name: string, who: UserKey, weight: number) =>
      void lane.enter(who, 3, weight)?.then(() => started.push(name));
    enter('heavy', other, 3);
    enter('light', bob, 2);
    enter('same user', bob, 2);
    await settled();
    expect(started).toEqual([]);
    lane.leave(alice, 9);
    await settled();
    expect(started).toEqual(['heavy', 'light']);
    lane.leave(bob, 2);
    await settled();
    expect([started.at(-1), lane.running(), lane.waiting()]).toEqual(['same user', 5, 0]);
  });

  it('refuses a task if too many tasks of its user already wait', async () => {
    const lane = create({ maxWaitingPerUser: 1 });
    enterAll(lane, [alice, alice]);
    await expect(lane.enter(alice)).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterSec: 1 });
    expect(lane.enter(bob)).toBeUndefined();
    expect([lane.refused(), lane.waiting()]).toEqual([1, 1]);
  });

  it('runs the next task after a task that rejects', async () => {
    const lane = create();
    const failing = () => Promise.reject(new Error('no'));
    await expect(runIn(lane, alice, failing)).rejects.toThrow('no');
    expect(await runIn(lane, alice, async () => 7)).toBe(7);
    expect(lane.running()).toBe(0);
  });

  it('runs every waiting task eventually', async () => {
    const lane = create();
    const keys = [alice, bob, carol, other].flatMap((key) => [key, key, key, key, key]);
    const done = await Promise.all(keys.map((key) => runIn(lane, key, settled)));
    expect(done).toHaveLength(keys.length);
    expect([lane.running(), lane.waiting()]).toEqual([0, 0]);
  });

  describe('with maxWaitMs', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('refuses a task that has waited for `maxWaitMs`, and runs the next waiting task', async () => {
      const lane = create({ maxWaitMs: 1_000 });
      enterAll(lane, [alice]);
      const refusal = lane.enter(alice)?.catch((error: AppError) => error.code);
      await vi.advanceTimersByTimeAsync(999);
      const later = lane.enter(alice);
      await vi.advanceTimersByTimeAsync(1);
      expect(await refusal).toBe('UNAVAILABLE');
      lane.leave(alice);
      await later;
      expect([lane.running(), lane.waiting(), lane.refused()]).toEqual([1, 0, 1]);
    });
  });
});
