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

/** Namespace of the ids of alerts: of one hour and user there is one, whoever sends it. */
const alertNamespace = '0c7c3c55-8b0e-4d7f-9a37-6a4c0b1d2f31';

const hourMs = granularityMs.HOUR;
const dayMs = granularityMs.DAY;

/** How often hours that are over are looked at, in ms. */
const everyMs = 5 * 60_000;

/** Hours that are looked at: those of a worker that was away are made up for. */
const hoursBack = 6;

/** Days that an hour is compared with. */
const daysBack = 28;

export interface AlertOptions {
  /** Who is told, each about their tenant, as far as they exist. Nobody: nothing is looked at. */
  readonly users: readonly UserKey[];
  readonly rule: AlertRule;
  /** An hour is looked at so long after its end, in ms: what happened in it is counted by then. */
  readonly settleMs: number;
}

/**
 * Compares the page views of each hour that is over with the same hour of past days, and tells who wants to know when it is
 * unusual: by a notification, as any other. Every worker may look: the notification of an hour has the same id from all.
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
  // Sent by this process already, of the hours that are looked at.
  let sent = new Set<string>();
  let succeededAt: Date | undefined;

  /** Looks at the hours that are over and have settled; how many notifications were sent. */
  async function look(): Promise<number> {
    const now = clock.now();
    const last = bucketStart(new Date(now.getTime() - settleMs), 'HOUR').getTime() - hourMs;
    const hours = Array.from({ length: hoursBack }, (_, n) => last - n * hourMs);
    const found: Event[] = [];
    const known = await store.users(users);
    let told = 0;
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
    const tell = async () => {
      const fresh = found.filter(({ id }) => !sent.has(id));
      if (fresh.length > 0) await log.append(fresh);
      sent = new Set(found.map(({ id }) => id));
      told = fresh.length;
    };
    // Alerts found in some tenants are sent even if other tenants could not be read.
    await runEach([...tenants.map(lookAt), tell]);
    succeededAt = now;
    return told;
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

  const attempt = () => look().catch((err) => logger.warn({ err }, 'hours could not be looked at'));

  return {
    look,
    /** When every tenant was last looked at; undefined before the first time. */
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
      body: `${count} page views from ${from} to ${to} UTC. In this hour of other days there were ${Math.round(mean)} on average: ${Math.abs(score).toFixed(1)} standard deviations ${score > 0 ? 'fewer' : 'more'}.`,
      data: { hour: hour.toISOString(), count, mean, score },
    }),
    schemaVersion: notificationSent.schemaVersion,
  };
}
