import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../domain/error.ts';
import { deadLetterSuffix } from '../../events/topic.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Outbox, OutboxTurn, WaitingRecord } from '../../ports/outbox.ts';
import type { Project } from '../apply/project.ts';

/** Records of a round that is worth its queries. */
const fullRound = 100;

/**
 * Takes what transactions wrote for the log to the log: one relay at a time over all processes, each topic in order,
 * removed only when the log has it. So each record is sent at least once, and after a crash in between once more. A log or
 * a database that is away is waited for, without limit, with backoff and jitter, and another process may take over
 * meanwhile. Of a topic that cannot be written the others do not have to wait: it is held back until they have gone, for
 * `maxBackoffMs` at most.
 * What comes alone goes at once; what comes soon after it gathers for `restMs`, so that a round is not made for each record.
 */
export function createRelay(
  {
    outbox,
    log,
    project,
    clock,
    logger,
  }: {
    readonly outbox: Outbox;
    readonly log: EventLog;
    readonly project: Pick<Project, 'deadLetter'>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  { maxBackoffMs = 10_000, restMs = 50 }: { readonly maxBackoffMs?: number; readonly restMs?: number } = {},
) {
  const stopping = new AbortController();
  const { signal } = stopping;
  let running: Promise<void> | undefined;
  /** Interruptions, and ends of a hold, since all that was read was sent, or since the last idle moment. */
  let failures = 0;
  let succeededAt: Date | undefined;

  /** The first says that it began, then one line a minute or so. */
  function warnNowAndThen(fields: object, message: string): void {
    if (failures === 1 || failures % 10 === 0) logger.warn({ ...fields, failures }, message);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let turn: OutboxTurn | undefined;
      try {
        turn = await outbox.takeTurn(signal);
        if (turn) await sendOn(turn);
      } catch (err) {
        failures += 1;
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** failures) * Math.random();
        warnNowAndThen({ err, delayMs }, 'relaying is retried');
        await turn?.end();
        await delay(delayMs, undefined, { signal }).catch(() => {});
        continue;
      }
      await turn?.end();
    }
  }

  /** Rejects when the turn is lost, and when topics are held back and nothing else waits. */
  async function sendOn(turn: OutboxTurn): Promise<void> {
    const held = new Map<string, unknown>();
    let heldUntil: number | undefined;
    while (!signal.aborted && !turn.isOver()) {
      const records = await turn.read([...held.keys()]);
      for (const ofTopic of byTopic(records)) {
        try {
          await send(ofTopic);
        } catch (error) {
          // Nobody who stops waits for every topic of a log that is away.
          if (signal.aborted) throw error;
          held.set(ofTopic[0]?.topic ?? '', error);
          continue;
        }
        await turn.remove(ofTopic.map(({ id }) => id));
      }
      const [reason] = held.values();
      if (reason === undefined) {
        failures = 0;
        succeededAt = clock.now();
      } else if (records.length === 0) throw reason;
      else heldUntil ??= performance.now() + maxBackoffMs;
      // A trickle of others would let them wait for ever.
      if (heldUntil !== undefined && performance.now() >= heldUntil) {
        failures += 1;
        warnNowAndThen(
          { err: reason, topics: [...held.keys()] },
          'topics that were held back are tried again',
        );
        held.clear();
        heldUntil = undefined;
      }
      if (records.length === 0) await turn.written();
      else if (records.length < fullRound) await delay(restMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Sends the records in their order. What the log will never take is set aside alone, so that nothing waits behind it. */
  async function send(records: readonly WaitingRecord[]): Promise<void> {
    try {
      await log.send(records);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'BAD_USER_INPUT')) throw error;
      const [record] = records;
      if (records.length > 1) {
        const half = Math.ceil(records.length / 2);
        await send(records.slice(0, half));
        await send(records.slice(half));
      } else if (record) await refused(record, error);
    }
  }

  async function refused(record: WaitingRecord, error: AppError): Promise<void> {
    const { topic, id, key, value, headers, writtenAt } = record;
    logger.error({ err: error, topic, outboxId: String(id) }, 'the log refused a record for good');
    // The copy of a dead letter: the letter itself is kept.
    if (topic.endsWith(deadLetterSuffix)) return;
    // It has no place in the log, and partitions are never negative.
    const place = { topic, partition: -1, offset: id, key, value, headers, appendedAt: writtenAt };
    await project.deadLetter(place, { code: 'REJECTED_EVENT', reason: error.message, attempts: 1 });
  }

  return {
    /** Begins; the log and the database may be away. */
    start(): void {
      running ??= run();
    },
    /** Waits for the batch under way; what was not sent waits for the next start. */
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
    /** When everything that was read was last sent; undefined before the first time, as while another process has the turn. */
    succeededAt: () => succeededAt,
    /** How many records wait to be sent, over all processes. Rejects with UNAVAILABLE. */
    depth: (): Promise<number> => outbox.depth(),
  };
}

/** In the order of their first records. */
function byTopic(records: readonly WaitingRecord[]): Iterable<readonly WaitingRecord[]> {
  const parts = new Map<string, WaitingRecord[]>();
  for (const record of records) {
    const part = parts.get(record.topic);
    if (part) part.push(record);
    else parts.set(record.topic, [record]);
  }
  return parts.values();
}

export type Relay = ReturnType<typeof createRelay>;
