import { v5 as uuidV5 } from 'uuid';
import { runEach } from '../../async/run-each.ts';
import { type BucketKey, bucketStart, granularityMs } from '../../domain/activity.ts';
import { type AlertRule, type Unusual, unusual } from '../../domain/alert.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import { notificationSent } from '../../events/notification.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ActivityStore } from '../../ports/store/activity.ts';
import type { UserStore } from '../../ports/store/users.ts';

/**
 * The UUID namespace of the ids of alerts. The id is derived from the hour and the user, so all workers send
 * the same alert.
 */
const alertNamespace = '0c7c3c55-8b0e-4d7f-9a37-6a4c0b1d2f31';

const hourMs = granularityMs.HOUR;
const dayMs = granularityMs.DAY;

/** The interval between two checks, in ms. */
const everyMs = 5 * 60_000;

/**
 * The number of past hours that each check compares. A check therefore includes hours in which no worker ran.
 */
const hoursBack = 6;

/** The number of past days with which an hour is compared. */
const daysBack = 28;

export interface AlertOptions {
  /**
   * The users who receive alerts about their own tenant. Users who do not exist receive none. If the list is
   * empty, no hour is checked.
   */
  readonly users: readonly UserKey[];
  readonly rule: AlertRule;
  /**
   * The time between the end of an hour and its check, in ms. After this time, all activity of the hour is
   * counted.
   */
  readonly settleMs: number;
}

/**
 * Creates a task that compares the page views of each past hour with the same hour of past days. If an hour
 * is unusual, the task sends a notification to the users of the option `users`. Every worker may run the
 * task, because all workers give the notification of an hour the same id.
 */
export function createAlert(
  {
    store,
    log,
    clock,
    logger,
  }: {
    readonly store: UserStore & ActivityStore;
    readonly log: EventLog;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  { users, rule, settleMs }: AlertOptions,
) {
  const tenants = [...new Set(users.map(({ tenantId }) => tenantId))];
  let timer: NodeJS.Timeout | undefined;
  // The ids of the alerts that this process has sent for the checked hours.
  let sent = new Set<string>();
  let succeededAt: Date | undefined;

  /** Checks the hours that ended at least `settleMs` ago. Resolves to the number of sent notifications. */
  async function look(): Promise<number> {
    const now = clock.now();
    const last = bucketStart(new Date(now.getTime() - settleMs), 'HOUR').getTime() - hourMs;
    const hours = Array.from({ length: hoursBack }, (_, n) => last - n * hourMs);
    const found: Event[] = [];
    const known = await store.users(users);
    let sentCount = 0;
    const lookAt = (tenantId: string) => async () => {
      const counts = await countsOf(tenantId, hours);
      for (const hour of hours) {
        const past = Array.from({ length: daysBack }, (_, n) => counts.get(hour - (n + 1) * dayMs) ?? 0);
        const alarm = unusual(counts.get(hour) ?? 0, past, rule);
        if (!alarm) continue;
        const recipients = known.filter((user) => user.tenantId === tenantId);
        found.push(...recipients.map((user) => alertOf(user, new Date(hour), alarm, now)));
      }
    };
    const send = async () => {
      const fresh = found.filter(({ id }) => !sent.has(id));
      if (fresh.length > 0) await log.append(fresh);
      sent = new Set(found.map(({ id }) => id));
      sentCount = fresh.length;
    };
    // The alerts are sent even if the activity of other tenants could not be read.
    await runEach([...tenants.map(lookAt), send]);
    succeededAt = now;
    return sentCount;
  }

  async function countsOf(tenantId: string, hours: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const keys = hours.flatMap((hour) =>
      Array.from(
        { length: daysBack + 1 },
        (_, n): BucketKey => ({ tenantId, granularity: 'HOUR', start: new Date(hour - n * dayMs) }),
      ),
    );
    const buckets = await store.activityBuckets(keys);
    return new Map(buckets.map(({ start, pageViewCount }) => [start.getTime(), pageViewCount]));
  }

  const attempt = () =>
    look().catch((err) =>
      logger.warn({ err }, 'the check for unusual hours failed; the next check catches up'),
    );

  return {
    look,
    /** Returns the last time at which all tenants were checked. Undefined if this has not happened yet. */
    succeededAt: () => succeededAt,
    start(): void {
      if (users.length === 0) return;
      void attempt();
      timer = setInterval(attempt, everyMs).unref();
    },
    stop(): void {
      clearInterval(timer);
    },
  };
}

function alertOf(
  { tenantId, userId }: UserKey,
  hour: Date,
  { count, mean, score }: Unusual,
  now: Date,
): Event {
  const time = (at: Date) => at.toISOString().slice(11, 16);
  const from = `${hour.toISOString().slice(0, 10)} ${time(hour)}`;
  const to = time(new Date(hour.getTime() + hourMs));
  return {
    id: uuidV5(JSON.stringify([tenantId, userId, hour.getTime()]), alertNamespace),
    source: 'alert',
    type: notificationSent.type,
    tenantId,
    userId,
    occurredAt: now,
    data: notificationSent.data.parse({
      category: 'alert',
      severity: 'HIGH',
      title: `Unusual activity: ${score > 0 ? 'many' : 'few'} page views`,
      body: `${count} page views from ${from} to ${to} UTC. This is ${Math.abs(score).toFixed(1)} standard deviations ${score > 0 ? 'above' : 'below'} the average of the same hour on the ${daysBack} days before, ${Math.round(mean)}.`,
      data: { hour: hour.toISOString(), count, mean, score },
    }),
    schemaVersion: notificationSent.schemaVersion,
  };
}
