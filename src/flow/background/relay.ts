import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../domain/error.ts';
import { deadLetterSuffix } from '../../events/topic.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Outbox, OutboxTurn, WaitingRecord } from '../../ports/outbox.ts';
import type { Project } from '../apply/project.ts';

/**
 * The minimum number of records that is worth the queries of a round. After a round with fewer records, the
 * relay waits before the next round.
 */
const fullRound = 100;

interface RelayDeps {
  readonly outbox: Outbox;
  readonly log: EventLog;
  readonly project: Pick<Project, 'deadLetter'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface RelayOptions {
  /**
   * The maximum wait between two attempts, and the maximum time for which a failed topic is skipped, in ms.
   * Defaults to 10 s.
   */
  readonly maxBackoffMs?: number;
  /** The time for which new records are collected before the next round, in ms. Defaults to 50. */
  readonly restMs?: number;
}

/**
 * The values that all steps of a turn share. A turn is the time in which this relay has the right to send the
 * records of the outbox.
 */
interface Turn extends RelayDeps, Required<RelayOptions> {
  readonly signal: AbortSignal;
  readonly failures: Failures;
  /** Called when all records that were read from the outbox are sent. */
  readonly allSent: () => void;
}

/**
 * Creates a relay, which sends the records of the outbox to the log. Only one relay in all processes works at
 * a time. The relay keeps the order within each topic. It removes a record from the outbox only after the log
 * has the record. So each record is sent at least once. If the relay crashes between these two steps, the
 * record is sent again.
 *
 * While the log or the database is unreachable, the relay retries without limit, with backoff and jitter.
 * Another process may take over in this time. If the log cannot write a topic, the relay skips the topic
 * until all other topics are sent, but for at most `maxBackoffMs`.
 *
 * A single record is sent at once. The records after it are collected for `restMs` and sent in one round.
 */
export function createRelay(deps: RelayDeps, { maxBackoffMs = 10_000, restMs = 50 }: RelayOptions = {}) {
  const { outbox, clock, logger } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const failures = createFailures(logger);
  let running: Promise<void> | undefined;
  let succeededAt: Date | undefined;

  function allSent(): void {
    failures.clear();
    succeededAt = clock.now();
  }

  const context: Turn = { ...deps, maxBackoffMs, restMs, signal, failures, allSent };

  async function run(): Promise<void> {
    while (!signal.aborted) {
      let turn: OutboxTurn | undefined;
      try {
        turn = await outbox.takeTurn(signal);
        if (turn) await sendTurn(context, turn);
      } catch (err) {
        const count = failures.add();
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** count) * Math.random();
        failures.warn({ err, delayMs }, 'the relay failed; it tries again');
        await turn?.end();
        await delay(delayMs, undefined, { signal }).catch(() => {});
        continue;
      }
      await turn?.end();
    }
  }

  return {
    /** Starts the relay. The log and the database need not be reachable yet. */
    start(): void {
      running ??= run();
    },
    /**
     * Stops the relay after the current batch. The unsent records stay in the outbox until a relay starts
     * again.
     */
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
    /**
     * Returns the last time at which all records that this relay had read were sent. Undefined before the
     * first time, and while another process has the turn.
     */
    succeededAt: () => succeededAt,
    /** Returns the number of records in the outbox, in all processes. Rejects with UNAVAILABLE. */
    depth: (): Promise<number> => outbox.depth(),
  };
}

/** Counts the failures of the relay. The count is set to 0 when all records that were read are sent. */
function createFailures(logger: Logger) {
  let count = 0;
  return {
    /** Returns the new count. */
    add(): number {
      count += 1;
      return count;
    },
    clear(): void {
      count = 0;
    },
    /** Logs the first failure at once, and then about one line per minute. */
    warn(fields: object, message: string): void {
      if (count === 1 || count % 10 === 0) logger.warn({ ...fields, failures: count }, message);
    },
  };
}

type Failures = ReturnType<typeof createFailures>;

/**
 * Sends records until the turn is over. Rejects if the turn is lost, or if all remaining records are in
 * skipped topics.
 */
async function sendTurn(context: Turn, turn: OutboxTurn): Promise<void> {
  const { signal, failures, maxBackoffMs, restMs, allSent } = context;
  /** Maps each skipped topic to its error. */
  const held = new Map<string, unknown>();
  let heldUntil: number | undefined;
  while (!signal.aborted && !turn.isOver()) {
    const records = await turn.read([...held.keys()]);
    await sendRound(context, turn, records, held);
    const [reason] = held.values();
    if (reason === undefined) allSent();
    else if (records.length === 0) throw reason;
    else heldUntil ??= performance.now() + maxBackoffMs;
    // Without this limit, a steady flow to other topics would delay the skipped topics for ever.
    if (heldUntil !== undefined && performance.now() >= heldUntil) {
      failures.add();
      failures.warn({ err: reason, topics: [...held.keys()] }, 'the relay tries the held topics again');
      held.clear();
      heldUntil = undefined;
    }
    if (records.length === 0) await turn.written();
    else if (records.length < fullRound) await delay(restMs, undefined, { signal }).catch(() => {});
  }
}

/**
 * Sends the records, topic by topic, and removes the sent records from the outbox. Adds each topic that fails
 * to `held`.
 */
async function sendRound(
  context: Turn,
  turn: OutboxTurn,
  records: readonly WaitingRecord[],
  held: Map<string, unknown>,
): Promise<void> {
  for (const ofTopic of byTopic(records)) {
    try {
      await send(context, ofTopic);
    } catch (error) {
      // A relay that is stopping does not try the remaining topics, because the log may be unreachable.
      if (context.signal.aborted) throw error;
      held.set(ofTopic[0]?.topic ?? '', error);
      continue;
    }
    await turn.remove(ofTopic.map(({ id }) => id));
  }
}

/**
 * Sends the records in their order. If the log will never accept a record, only this record becomes a dead
 * letter.
 */
async function send(deps: RelayDeps, records: readonly WaitingRecord[]): Promise<void> {
  try {
    await deps.log.send(records);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'BAD_USER_INPUT')) throw error;
    const [record] = records;
    if (records.length > 1) {
      const half = Math.ceil(records.length / 2);
      await send(deps, records.slice(0, half));
      await send(deps, records.slice(half));
    } else if (record) await setAside(deps, record, error);
  }
}

/** Turns a record that the log refused into a dead letter. */
async function setAside(
  { project, logger }: RelayDeps,
  record: WaitingRecord,
  error: AppError,
): Promise<void> {
  const { topic, id, key, value, headers, writtenAt } = record;
  logger.error({ err: error, topic, outboxId: String(id) }, 'the log refused a record');
  // The record is a copy of a dead letter. The database already has this dead letter.
  if (topic.endsWith(deadLetterSuffix)) return;
  // The record has no partition and offset in the log. The partition -1 shows this, because real partitions
  // are not negative.
  const place = { topic, partition: -1, offset: id, key, value, headers, appendedAt: writtenAt };
  await project.deadLetter(place, { code: 'REJECTED_EVENT', reason: error.message, attempts: 1 });
}

/** Groups the records by topic. The topics are in the order of their first records. */
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
