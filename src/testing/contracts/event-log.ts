import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../events/event.ts';
import { exactHeaders } from '../../events/record.ts';
import { topics } from '../../events/topic.ts';
import type { Consumption, EventLog, LogRecord } from '../../ports/event-log.ts';
import { notificationSent, pageViewed } from '../event.ts';

/** A log to test, which is empty at first, with functions to inspect it and to cause faults. */
export interface EventLogUnderTest {
  /** Opens the log as another process would, without shared memory. `close` also closes the opened log. */
  open(): EventLog;
  /** Resolves with the ids of the events that another process can read now. */
  durableIds(): Promise<readonly string[]>;
  /** Returns an event that this log can never store. */
  unstorable(): Event;
  /** Appends a record that our codecs never write. */
  appendRaw(value: string | null): Promise<void>;
  /**
   * Ends the consumers of a group as if their process had died. Resolves with the number of ended consumers.
   */
  cutConsumers(group: string): Promise<number>;
  /** Makes commits slow, so that a later append commits before an earlier append if the log allows this. */
  makeCommitsSlow(): Promise<void>;
  /** Resolves with the time of the clock that sets `appendedAt`. */
  now(): Promise<Date>;
  close(): Promise<void>;
}

/** The features in which adapters may differ. A feature that is false needs a reason. */
export interface Features {
  /** Offsets have no holes. */
  readonly denseOffsets: boolean;
  /** `prune` removes old records. */
  readonly prunes: boolean;
  /**
   * If a group has several consumers, one consumer gets every record. The other consumers wait to take over.
   */
  readonly oneConsumerAtATime: boolean;
}

const inbound = Object.values(topics);
const waiting = { timeout: 10_000, interval: 5 };

/**
 * Tests the guarantees that every event log gives. Each test checks a sentence of the comments in
 * ports/event-log.ts.
 */
export function eventLogContract(open: () => Promise<EventLogUnderTest>, features: Features): void {
  let underTest: EventLogUnderTest;
  let log: EventLog;
  beforeEach(async () => {
    underTest = await open();
    log = underTest.open();
  });
  afterEach(() => underTest.close());

  /** Consumes the topics and adds the records to a list. `before` may delay or reject a batch. */
  async function collect(
    from: EventLog,
    group: string,
    before: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void> | void = () => {},
    of: readonly string[] = inbound,
  ): Promise<Consumption & { readonly records: LogRecord[]; ids(): readonly string[] }> {
    const records: LogRecord[] = [];
    const consumption = await from.consume(group, of, async (batch, signal) => {
      await before(batch, signal);
      records.push(...batch);
    });
    return { ...consumption, records, ids: () => records.map(idOf) };
  }

  describe('append', () => {
    it('resolves when another process can read the events', async () => {
      for (let round = 0; round < 20; round += 1) {
        const event = pageViewed();
        await log.append([event]);
        expect(await underTest.durableIds()).toContain(event.id);
      }
    });

    it('resolves for an empty list of events', async () => {
      await log.append([]);
      expect(await underTest.durableIds()).toEqual([]);
    });

    it('stores no event of a call if one of its events can never be stored', async () => {
      const good = pageViewed();
      const call = log.append([good, underTest.unstorable(), pageViewed()]);
      await expect(call).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      expect(await underTest.durableIds()).toEqual([]);
    });

    it('rejects only the call whose event can never be stored, among concurrent calls', async () => {
      const events = Array.from({ length: 40 }, (_, n) =>
        n % 13 === 6 ? underTest.unstorable() : pageViewed(),
      );
      const results = await Promise.allSettled(events.map((event) => log.append([event])));
      const refused = results.flatMap((result, n) => (result.status === 'rejected' ? [n] : []));
      expect(refused).toEqual([6, 19, 32]);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'BAD_USER_INPUT' });
      }
      const stored = events.filter((_, n) => !refused.includes(n)).map(({ id }) => id);
      expect(await underTest.durableIds()).toEqual(stored);
    });

    it('keeps the order of the calls and of the events in a call, for each user', async () => {
      const logs = [log, underTest.open()];
      await Promise.all(
        Array.from({ length: 12 }, async (_, user) => {
          const own = logs[user % logs.length] as EventLog;
          const calls: Promise<void>[] = [];
          // The calls of one user do not wait for each other.
          for (let n = 0; n < 60; n += 3) calls.push(own.append([n, n + 1, n + 2].map((m) => step(user, m))));
          await Promise.all(calls);
        }),
      );
      const reader = await collect(underTest.open(), 'reader');
      await vi.waitFor(() => expect(reader.records).toHaveLength(12 * 60), waiting);
      for (let user = 0; user < 12; user += 1) {
        const own = reader.records.filter(({ key }) => key === `default/user-${user}`).map(stepOf);
        expect(own).toEqual(Array.from({ length: 60 }, (_, n) => n));
      }
    });

    it('gives records increasing offsets, the bytes of the event and the append time', async () => {
      const before = await underTest.now();
      const events = [pageViewed(), pageViewed({ userId: 'bob' })];
      await log.append(events);
      const reader = await collect(log, 'reader');
      await vi.waitFor(() => expect(reader.records).toHaveLength(2), waiting);
      const [first, second] = reader.records as [LogRecord, LogRecord];
      expect(first).toMatchObject({ topic: 'incoming.user_activity', partition: 0, key: 'default/alice' });
      expect(second).toMatchObject({ key: 'default/bob' });
      expect(second.offset - first.offset).toBeGreaterThan(0n);
      if (features.denseOffsets) expect(second.offset - first.offset).toBe(1n);
      expect(JSON.parse(text(first))).toEqual(JSON.parse(JSON.stringify(events[0])));
      expect(first.appendedAt.getTime()).toBeGreaterThanOrEqual(before.getTime());
    });
  });

  describe('send', () => {
    const other = 'user-notification-created';

    it('delivers any bytes, headers and tombstones unchanged, in order for each key', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
      await log.send([
        { topic: other, key: 'a', value: bytes, headers: { code: 'MALFORMED_EVENT', text: 'ünï "quoted"' } },
        { topic: other, key: 'a', value: null },
        { topic: other, key: 'a', value: new Uint8Array() },
      ]);
      await log.send([{ topic: other, key: null, value: Buffer.from('no key') }]);
      const sent: LogRecord[] = [];
      await log.consume('others', [other], async (records) => void sent.push(...records));
      await vi.waitFor(() => expect(sent).toHaveLength(4), waiting);
      const keyed = sent.filter(({ key }) => key === 'a');
      expect(keyed.map(({ value }) => value && [...value])).toEqual([[...bytes], null, []]);
      expect(keyed.map(({ headers }) => headers)).toEqual([
        { code: 'MALFORMED_EVENT', text: 'ünï "quoted"' },
        {},
        {},
      ]);
      expect(sent.find(({ key }) => key === null)).toMatchObject({ topic: other, headers: {} });
    });

    it('delivers keys and headers unchanged, even if they are not valid text', async () => {
      const record = {
        topic: other,
        key: '\ufffdA',
        value: Buffer.from('x'),
        headers: {
          plain: 'y',
          [exactHeaders.key]: '"base64:/0E="',
          [exactHeaders.headers]: '[["null",null],["twice","a"],["twice","b"],["base64:AP8=","base64:/w=="]]',
        },
      };
      await log.send([record]);
      const sent: LogRecord[] = [];
      await log.consume('others', [other], async (records) => void sent.push(...records));
      await vi.waitFor(() => expect(sent).toHaveLength(1), waiting);
      expect(sent[0]).toMatchObject(record);
    });

    it('keeps the order of the calls for each key', async () => {
      const calls = Array.from({ length: 50 }, (_, n) =>
        log.send([{ topic: other, key: `key-${n % 3}`, value: Buffer.from(String(n)) }]),
      );
      await Promise.all(calls);
      await log.send([]);
      const sent: LogRecord[] = [];
      await log.consume('others', [other], async (records) => void sent.push(...records));
      await vi.waitFor(() => expect(sent).toHaveLength(50), waiting);
      for (const key of ['key-0', 'key-1', 'key-2']) {
        const own = sent.filter((record) => record.key === key).map((record) => Number(text(record)));
        expect(own).toEqual(own.toSorted((a, b) => a - b));
      }
    });
  });

  describe('consume', () => {
    it('delivers only the requested topics, whatever the order of records of all topics is', async () => {
      const view = pageViewed();
      const notification = notificationSent();
      await log.append([view, notification]);
      const views = await collect(log, 'views', () => {}, [topics.userActivity]);
      const notifications = await collect(log, 'notifications', () => {}, [topics.notificationCommand]);
      await vi.waitFor(() => expect(views.ids()).toEqual([view.id]), waiting);
      await vi.waitFor(() => expect(notifications.ids()).toEqual([notification.id]), waiting);
      for (let round = 0; round < 5; round += 1) {
        await log.append([notificationSent(), pageViewed()]);
        await log.append([notificationSent()]);
        await vi.waitFor(() => expect(views.records).toHaveLength(2 + round), waiting);
        await vi.waitFor(() => expect(notifications.records).toHaveLength(3 + 2 * round), waiting);
      }
      expect(new Set(views.records.map(({ topic }) => topic))).toEqual(new Set([topics.userActivity]));
    });

    it('starts a new group at the oldest stored record', async () => {
      await log.append([pageViewed(), pageViewed()]);
      const first = await collect(log, 'first');
      await vi.waitFor(() => expect(first.records).toHaveLength(2), waiting);
      const second = await collect(log, 'second');
      await vi.waitFor(() => expect(second.ids()).toEqual(first.ids()), waiting);
    });

    it('continues a group at its position', async () => {
      await log.append([pageViewed()]);
      const first = await collect(log, 'group');
      await vi.waitFor(() => expect(first.records).toHaveLength(1), waiting);
      await first.stop();
      const event = pageViewed();
      await log.append([event]);
      const second = await collect(underTest.open(), 'group');
      await vi.waitFor(() => expect(second.ids()).toEqual([event.id]), waiting);
    });

    it('delivers events from the same process and from another process at once', async () => {
      const other = underTest.open();
      const reader = await collect(log, 'reader');
      for (let round = 0; round < 10; round += 1) {
        for (const writer of [log, other]) {
          const event = pageViewed();
          const startedAt = performance.now();
          await writer.append([event]);
          await vi.waitFor(() => expect(reader.ids()).toContain(event.id), waiting);
          expect(performance.now() - startedAt).toBeLessThan(1_000);
        }
      }
    });

    it('delivers the whole batch again if the handler rejects, and delivers later records after this batch', async () => {
      let failures = 3;
      const seen: string[] = [];
      await log.append([pageViewed(), pageViewed()]);
      const reader = await collect(log, 'reader', (batch) => {
        seen.push(...batch.map(idOf));
        if (failures-- > 0) throw new Error('not now');
      });
      await vi.waitFor(() => expect(seen).toHaveLength(2), waiting);
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(reader.records).toHaveLength(3), waiting);
      expect(reader.ids()).toEqual(await underTest.durableIds());
      const [first, second] = reader.ids();
      expect(seen.slice(0, 4)).toEqual([first, second, first, second]);
    });

    it('moves the position only after the handler resolves, so that a crash repeats the batch', async () => {
      await log.append([pageViewed(), pageViewed()]);
      const held = defer();
      const dying = await collect(log, 'group', () => held.promise);
      const survivor = await collect(underTest.open(), 'group');
      await vi.waitFor(async () => expect(await underTest.cutConsumers('group')).toBeGreaterThan(0), waiting);
      await vi.waitFor(() => expect(survivor.records).toHaveLength(2), waiting);
      expect(survivor.ids()).toEqual(await underTest.durableIds());
      // The replaced consumer continues after the other consumer has taken over. This must not cause a loss.
      held.resolve();
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(new Set([...dying.ids(), ...survivor.ids()]).size).toBe(3), waiting);
      expect(survivor.ids().slice(0, 2)).toEqual((await underTest.durableIds()).slice(0, 2));
    });

    it('lets another consumer of the group take over repeatedly without losing a record', async () => {
      const seen = new Set<string>();
      const note = (batch: readonly LogRecord[]) => {
        for (const record of batch) seen.add(idOf(record));
      };
      for (const one of [log, underTest.open(), underTest.open()]) await collect(one, 'group', note);
      const sent: string[] = [];
      for (let round = 0; round < 6; round += 1) {
        const events = Array.from({ length: 20 }, () => pageViewed());
        sent.push(...events.map(({ id }) => id));
        await log.append(events);
        await underTest.cutConsumers('group');
      }
      await vi.waitFor(() => expect(seen.size).toBe(sent.length), waiting);
      // A Set iterates over its values in the order in which each value was first added.
      expect([...seen]).toEqual(sent);
    });

    it("gives a group's records to one consumer until that consumer stops", async ({ skip }) => {
      skip(!features.oneConsumerAtATime, 'this log divides the records of a group by key');
      const first = await collect(log, 'group');
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(first.records).toHaveLength(1), waiting);
      const second = await collect(underTest.open(), 'group');
      await log.append(Array.from({ length: 50 }, () => pageViewed()));
      await vi.waitFor(() => expect(first.records).toHaveLength(51), waiting);
      expect(second.records).toEqual([]);
      await first.stop();
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(second.records).toHaveLength(1), waiting);
    });

    it('keeps groups independent, so that a stuck group does not delay another group', async () => {
      const held = defer();
      await collect(log, 'stuck', () => held.promise);
      const reader = await collect(log, 'free');
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(reader.records).toHaveLength(1), waiting);
      held.resolve();
    });

    it('never skips a record that commits late', async () => {
      await underTest.makeCommitsSlow();
      const reader = await collect(underTest.open(), 'reader');
      const writers = [log, underTest.open(), underTest.open(), underTest.open()];
      const sent: string[] = [];
      await Promise.all(
        writers.map(async (writer, user) => {
          for (let n = 0; n < 25; n += 1) {
            const events = [step(user, 2 * n), step(user, 2 * n + 1)];
            sent.push(...events.map(({ id }) => id));
            await writer.append(events);
          }
        }),
      );
      await vi.waitFor(() => expect(new Set(reader.ids())).toEqual(new Set(sent)), waiting);
      expect(reader.records).toHaveLength(sent.length);
      const offsets = reader.records.map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.toSorted((a, b) => Number(a - b)));
      if (features.denseOffsets)
        expect(Number((offsets.at(-1) as bigint) - (offsets[0] as bigint))).toBe(sent.length - 1);
      for (let user = 0; user < writers.length; user += 1) {
        const own = reader.records.filter(({ key }) => key === `default/user-${user}`).map(stepOf);
        expect(own).toEqual(Array.from({ length: 50 }, (_, n) => n));
      }
    });

    it('delivers tombstones and malformed records like every record', async () => {
      const before = pageViewed();
      const behind = pageViewed();
      await log.append([before]);
      await underTest.appendRaw(null);
      await underTest.appendRaw('{ not json');
      await underTest.appendRaw('');
      await log.append([behind]);
      const reader = await collect(log, 'reader');
      await vi.waitFor(() => expect(reader.records).toHaveLength(5), waiting);
      expect(reader.records.map(({ value }) => value && Buffer.from(value).toString())).toEqual([
        expect.stringContaining(before.id),
        null,
        '{ not json',
        '',
        expect.stringContaining(behind.id),
      ]);
    });
  });

  describe('health', () => {
    it('reports the number of records that are not consumed yet', async () => {
      await vi.waitFor(
        async () => expect(await log.health()).toEqual({ lag: null, problem: undefined }),
        waiting,
      );
      const held = defer();
      await log.append([pageViewed(), pageViewed()]);
      const reader = await collect(log, 'group', () => held.promise);
      await vi.waitFor(
        async () => expect(await log.health()).toEqual({ lag: 2n, problem: undefined }),
        waiting,
      );
      held.resolve();
      await vi.waitFor(
        async () => expect(await log.health()).toEqual({ lag: 0n, problem: undefined }),
        waiting,
      );
      await reader.stop();
      expect(await log.health()).toEqual({ lag: null, problem: undefined });
    });
  });

  describe('lag', () => {
    it('reports the number of records that a group has not consumed, even before the group has a consumer', async () => {
      const lag = () => log.lag('group', [topics.userActivity]);
      await log.append([pageViewed(), pageViewed()]);
      await vi.waitFor(async () => expect(await lag()).toBe(2n), waiting);
      const reader = await collect(log, 'group');
      await vi.waitFor(async () => expect(await lag()).toBe(0n), waiting);
      await reader.stop();
      await log.append([pageViewed()]);
      await vi.waitFor(async () => expect(await lag()).toBe(1n), waiting);
    });
  });

  describe('prune', () => {
    it('removes records that are older than the given time if every group has consumed them', async ({
      skip,
    }) => {
      skip(!features.prunes, 'this log deletes old records by itself');
      await log.append([pageViewed(), pageViewed()]);
      const between = await underTest.now();
      await log.append([pageViewed()]);
      const [, , young] = await underTest.durableIds();
      const reader = await collect(log, 'fast');
      await vi.waitFor(() => expect(reader.records).toHaveLength(3), waiting);
      await reader.stop();

      expect(await log.prune(between)).toBe(2);
      expect(await underTest.durableIds()).toEqual([young]);
    });

    it('removes no old record that a group has not consumed', async ({ skip }) => {
      skip(!features.prunes, 'this log deletes old records by itself');
      const held = defer();
      await log.append([pageViewed()]);
      const slow = await collect(log, 'slow');
      await vi.waitFor(() => expect(slow.records).toHaveLength(1), waiting);
      await slow.stop();
      await collect(log, 'stuck', () => held.promise);
      await log.append([pageViewed()]);
      const [first, second] = await underTest.durableIds();

      const later = new Date((await underTest.now()).getTime() + 60_000);
      expect(await log.prune(later)).toBe(0);
      expect(await underTest.durableIds()).toEqual([first, second]);
      held.resolve();
      await vi.waitFor(async () => expect(await log.prune(later)).toBe(1), waiting);
      expect(await underTest.durableIds()).toEqual([second]);
    });

    it('removes no record before any group has consumed a record', async ({ skip }) => {
      skip(!features.prunes, 'this log deletes old records by itself');
      await log.append([pageViewed()]);
      expect(await log.prune(new Date((await underTest.now()).getTime() + 60_000))).toBe(0);
      expect(await underTest.durableIds()).toHaveLength(1);
    });
  });

  describe('a consumer with the option ahead', () => {
    /** Consumes the topics and holds every batch until the test resolves or rejects the batch. */
    async function keep(from: EventLog, ahead: number) {
      const batches: { readonly ids: readonly string[]; resolve(): void; reject(error: Error): void }[] = [];
      const signals: AbortSignal[] = [];
      const consumption = await from.consume(
        'group',
        inbound,
        (records, signal) =>
          new Promise((resolve, reject) => {
            signals.push(signal);
            batches.push({ ids: records.map(idOf), resolve, reject });
          }),
        { ahead },
      );
      const ids = () => batches.flatMap((batch) => batch.ids);
      return { ...consumption, batches, signals, ids };
    }
    /** Appends one event and waits until the reader gets the event, so that the event is a separate batch. */
    async function appendTo(reader: { ids(): readonly string[] }): Promise<string> {
      const event = pageViewed();
      await log.append([event]);
      await vi.waitFor(() => expect(reader.ids()).toContain(event.id), waiting);
      return event.id;
    }

    it('gets only a limited number of records while the first records are not done', async () => {
      const reader = await keep(log, 2);
      const ids = [await appendTo(reader), await appendTo(reader), await appendTo(reader)];
      await log.append([pageViewed()]);
      const another = await collect(log, 'another');
      await vi.waitFor(() => expect(another.records).toHaveLength(4), waiting);
      expect(reader.ids()).toEqual(ids);
      for (const batch of reader.batches) batch.resolve();
      await vi.waitFor(() => expect(reader.ids()).toHaveLength(4), waiting);
      reader.batches.at(-1)?.resolve();
      await vi.waitFor(async () => expect(await log.lag('group', inbound)).toBe(0n), waiting);
    });

    it('moves the position of the group past a record only if this record and all earlier records are done', async () => {
      const reader = await keep(log, 100);
      const ids = [];
      for (let n = 0; n < 4; n += 1) ids.push(await appendTo(reader));
      const [first, second, third, fourth] = reader.batches;
      second?.resolve();
      fourth?.resolve();
      first?.resolve();
      await vi.waitFor(async () => expect(await log.lag('group', inbound)).toBe(2n), waiting);
      const stopping = reader.stop();
      third?.reject(new Error('stopped'));
      await stopping;
      const next = await collect(log, 'group');
      await vi.waitFor(() => expect(next.records).toHaveLength(2), waiting);
      expect(next.ids()).toEqual(ids.slice(2));
    });

    it('gets every unfinished record again after a crash', async () => {
      const reader = await keep(log, 100);
      const ids = [await appendTo(reader), await appendTo(reader)];
      const survivor = await collect(underTest.open(), 'group');
      await vi.waitFor(async () => expect(await underTest.cutConsumers('group')).toBeGreaterThan(0), waiting);
      for (const batch of reader.batches) batch.reject(new Error('dead'));
      await vi.waitFor(
        () => expect(new Set([...survivor.ids(), ...reader.ids().slice(2)]).size).toBe(2),
        waiting,
      );
      expect(new Set(ids)).toEqual(new Set([...survivor.ids(), ...reader.ids().slice(2)]));
      for (const batch of reader.batches) batch.resolve();
    });

    it('gets rejected records again, together with all later records', async () => {
      const reader = await keep(log, 100);
      const ids = [await appendTo(reader), await appendTo(reader)];
      reader.batches[0]?.reject(new Error('not now'));
      reader.batches[1]?.reject(new Error('not now'));
      await vi.waitFor(() => expect(reader.ids().slice(2).toSorted()).toEqual(ids.toSorted()), waiting);
      for (const batch of reader.batches) batch.resolve();
      await vi.waitFor(async () => expect(await log.lag('group', inbound)).toBe(0n), waiting);
    });

    it('gets all records in order, whatever the position of another group in the same process is', async () => {
      const events = Array.from({ length: 1_700 }, () => pageViewed());
      await log.append(events.slice(0, 700));
      const ahead: string[] = [];
      const follow = () =>
        log.consume('ahead', inbound, async (records) => void ahead.push(...records.map(idOf)), {
          ahead: 100,
        });
      const first = await follow();
      await vi.waitFor(() => expect(ahead).toHaveLength(700), waiting);
      await first.stop();
      await log.append(events.slice(700, 1_400));
      let batches = 0;
      const other = await collect(log, 'other', async () => {
        batches += 1;
        if (batches === 2) await delay(300);
      });
      await follow();
      await log.append(events.slice(1_400));
      await vi.waitFor(() => expect(ahead).toHaveLength(1_700), waiting);
      await vi.waitFor(() => expect(other.records).toHaveLength(1_700), waiting);
      expect(ahead).toEqual(events.map(({ id }) => id));
      expect(other.ids()).toEqual(ahead);
    });

    it('gets an aborted signal when it is stopped, and moves the position past records that are done after the signal', async () => {
      const reader = await keep(log, 100);
      await appendTo(reader);
      await appendTo(reader);
      const stopping = reader.stop();
      await vi.waitFor(() => expect(reader.signals.every(({ aborted }) => aborted)).toBe(true), waiting);
      for (const batch of reader.batches) batch.resolve();
      await stopping;
      expect(await log.lag('group', inbound)).toBe(0n);
    });
  });

  describe('stop and close', () => {
    it('stop aborts the signal of the handler, waits for the handler and stores the position after its batch', async () => {
      const held = defer();
      let signal: AbortSignal | undefined;
      await log.append([pageViewed()]);
      const reader = await collect(log, 'group', (_, given) => {
        signal = given;
        return held.promise;
      });
      await vi.waitFor(() => expect(signal).toBeDefined(), waiting);
      expect(signal?.aborted).toBe(false);
      let stopped = false;
      const stopping = reader.stop().then(() => {
        stopped = true;
      });
      await vi.waitFor(() => expect(signal?.aborted).toBe(true), waiting);
      await log.append([pageViewed()]);
      expect(stopped).toBe(false);
      held.resolve();
      await stopping;
      expect(reader.records).toHaveLength(1);

      const next = await collect(log, 'group');
      await vi.waitFor(() => expect(next.records).toHaveLength(1), waiting);
      expect(next.ids()).toEqual((await underTest.durableIds()).slice(1));
    });

    it('stop ends a consumer that rejects on abort, and a consumer that waits to take over', async () => {
      await log.append([pageViewed()]);
      const busy = await collect(
        log,
        'group',
        (_, signal) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('told')))),
      );
      const standby = await collect(underTest.open(), 'group');
      const immediately = await underTest.open().consume('group', inbound, async () => {});
      const startedAt = performance.now();
      await Promise.all([immediately.stop(), standby.stop()]);
      await busy.stop();
      await busy.stop();
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    });

    it('close ends every consumption and waits for running appends', async () => {
      await collect(log, 'one');
      await collect(log, 'two');
      const events = Array.from({ length: 100 }, () => pageViewed());
      let underWay = events.length;
      const appends = events.map((event) => log.append([event]).finally(() => (underWay -= 1)));
      await log.close();
      expect(underWay).toBe(0);
      await Promise.all(appends);
      expect(await underTest.durableIds()).toHaveLength(100);
      expect(await underTest.cutConsumers('one')).toBe(0);
    });
  });
}

const step = (user: number, n: number): Event =>
  pageViewed({ userId: `user-${user}`, data: { name: String(n) } });
const text = ({ value }: LogRecord): string => Buffer.from(value ?? []).toString();
const parsed = (record: LogRecord) => JSON.parse(text(record)) as { id: string; data: { name: string } };
const idOf = (record: LogRecord): string => parsed(record).id;
const stepOf = (record: LogRecord): number => Number(parsed(record).data.name);

function defer() {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
