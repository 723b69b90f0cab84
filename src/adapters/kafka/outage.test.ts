// @module-tag kafka
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { topics } from '../../events/topic.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { pageViewed } from '../../testing/event.ts';
import { startTestKafka, type TestKafka } from '../../testing/kafka.ts';
import { openKafkaLog, type TestLog } from '../../testing/kafka-log.ts';
import type { KafkaOptions } from './options.ts';

const waiting = { timeout: 25_000, interval: 20 };
const views = topics.userActivity;

let kafka: TestKafka;
const logs: TestLog[] = [];
const children: ChildProcess[] = [];
let group: string;
beforeAll(async () => {
  kafka = await startTestKafka();
}, 300_000);
beforeEach(() => {
  group = `group-${crypto.randomUUID()}`;
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(logs.splice(0).map((log) => log.close()));
});
afterAll(() => kafka.stop());

function open(options: Partial<KafkaOptions> = {}): TestLog {
  const log = openKafkaLog(kafka.url, { appendTimeoutMs: 1_500, sessionTimeoutMs: 1_500, ...options });
  logs.push(log);
  return log;
}

/** Consumes page views and collects the ids that start with the prefix of this test. */
async function collect(log: EventLog, prefix: string) {
  const ids: string[] = [];
  const consumption = await log.consume(group, [views], async (records) => {
    const all = records.map(
      ({ value }) => (JSON.parse(Buffer.from(value ?? []).toString()) as { id: string }).id,
    );
    ids.push(...all.filter((id) => id.startsWith(prefix)));
  });
  return { ...consumption, ids };
}

/** Creates events whose ids start with a prefix for this test. */
function createEvents() {
  const prefix = crypto.randomUUID().slice(0, 8);
  let n = 0;
  return { prefix, next: () => pageViewed({ id: `${prefix}-${n++}` }) };
}

/** Repeats an append until it succeeds. */
async function appendAgain(log: EventLog, event: ReturnType<typeof pageViewed>) {
  await vi.waitFor(() => log.append([event]), waiting);
}

describe('the Kafka log while Kafka is unreachable', () => {
  it('rejects appends with UNAVAILABLE in time, and appends and consumes again after Kafka restarts', async () => {
    const events = createEvents();
    const log = open();
    const reader = await collect(log, events.prefix);
    const kept = [events.next(), events.next()];
    await log.append(kept);
    await vi.waitFor(() => expect(reader.ids).toHaveLength(2), waiting);
    await kafka.kill();
    for (let n = 0; n < 2; n += 1) {
      const startedAt = performance.now();
      const calls = Array.from({ length: 20 }, () => log.append([events.next()]));
      const results = await Promise.allSettled(calls);
      expect(performance.now() - startedAt).toBeLessThan(2_500);
      for (const result of results) expect(result).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    }
    await vi.waitFor(async () => expect((await log.health()).problem).toContain('does not answer'), waiting);
    await kafka.restart();
    const later = events.next();
    await appendAgain(log, later);
    await vi.waitFor(
      () => expect(reader.ids).toEqual(expect.arrayContaining([kept[0]?.id, kept[1]?.id, later.id])),
      waiting,
    );
    await vi.waitFor(
      async () => expect(await log.health()).toEqual({ lag: 0n, problem: undefined }),
      waiting,
    );
    expect(log.fatal).toEqual([]);
    expect(log.lines.filter(({ level }) => level !== 'info').length).toBeLessThan(15);
  });

  it('waits for Kafka at the start, logs one line about the outage, and stops within seconds', async () => {
    await kafka.kill();
    const events = createEvents();
    const log = open();
    const impatient = open();
    const startedAt = performance.now();
    const [reader, stopped] = await Promise.all([
      collect(log, events.prefix),
      impatient.consume(group, [views], async () => {}),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(11_000);
    await expect(log.append([events.next()])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(log.lines.filter(({ message }) => message.includes('does not answer'))).toHaveLength(1);
    const stoppingAt = performance.now();
    await stopped.stop();
    await impatient.close();
    expect(performance.now() - stoppingAt).toBeLessThan(6_000);
    await kafka.restart();
    const event = events.next();
    await appendAgain(log, event);
    await vi.waitFor(() => expect(reader.ids).toContain(event.id), waiting);
  });

  it('loses no record if Kafka is frozen for longer than the session timeout, and closes within seconds', async () => {
    const events = createEvents();
    const log = open();
    const other = open();
    const reader = await collect(log, events.prefix);
    await other.consume(group, [views], async () => {});
    const kept = events.next();
    await log.append([kept]);
    kafka.freeze();
    try {
      const startedAt = performance.now();
      await expect(log.append([events.next()])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(log.append([events.next()])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(performance.now() - startedAt).toBeLessThan(4_500);
      const closingAt = performance.now();
      await other.close();
      expect(performance.now() - closingAt).toBeLessThan(10_000);
      await delay(Math.max(0, 12_000 - (performance.now() - startedAt)));
    } finally {
      kafka.thaw();
    }
    const later = events.next();
    await appendAgain(log, later);
    await vi.waitFor(() => expect(reader.ids).toContain(later.id), waiting);
    await vi.waitFor(
      async () => expect(await log.health()).toEqual({ lag: 0n, problem: undefined }),
      waiting,
    );
  });
});

describe('a consumer that pauses in the middle of a batch for longer than its session timeout', () => {
  it('does no harm: another consumer takes over, Kafka refuses the late commit, and the paused consumer joins again', async () => {
    const events = createEvents();
    const log = open();
    await log.append([events.next(), events.next()]);
    const zombie = spawnConsumer(1_000);
    await vi.waitFor(() => expect(zombie.lines).toContain(`got ${events.prefix}-0`), waiting);
    zombie.child.kill('SIGSTOP');
    const reader = await collect(log, events.prefix);
    await vi.waitFor(() => expect(reader.ids).toHaveLength(2), waiting);
    await log.append([events.next(), events.next()]);
    await vi.waitFor(() => expect(reader.ids).toHaveLength(4), waiting);
    const ends = async () =>
      (await kafka.positions(group, views)).map(({ position, end }) => end - Math.max(0, position));
    await vi.waitFor(async () => expect(await ends()).toEqual([0, 0, 0]), waiting);

    zombie.child.kill('SIGCONT');
    await vi.waitFor(() => expect(zombie.lines).toContain(`done ${events.prefix}-0`), waiting);
    const members = async () => (await kafka.admin.describeGroups([group])).groups[0]?.members.length;
    await vi.waitFor(async () => expect(await members()).toBe(2), waiting);
    expect(await ends()).toEqual([0, 0, 0]);
    await reader.stop();
    const last = events.next();
    await log.append([last]);
    await vi.waitFor(() => expect(zombie.lines).toContain(`done ${last.id}`), waiting);
    expect(zombie.child.exitCode).toBeNull();
  });

  function spawnConsumer(holdMs: number) {
    const script = new URL('../../testing/kafka-consumer.ts', import.meta.url).pathname;
    const args = ['--import', 'tsx', script, kafka.url, group, String(holdMs)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const lines: string[] = [];
    createInterface(child.stdout).on('line', (line) => lines.push(line));
    return { child, lines };
  }
});
