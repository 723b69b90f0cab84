import { randomUUID } from 'node:crypto';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';
import { percentile } from '../statistics.ts';

export interface InboxOptions {
  readonly dist: string;
  readonly databaseUrl: string;
  readonly user: { readonly tenantId: string; readonly userId: string };
  /** Whether the user archives each notification before the next arrives, so that the inbox stays empty. */
  readonly reads: boolean;
}

// Calls the functions of the API without HTTP, because the database queries cause the cost of an inbox.
const { dist, databaseUrl, user, reads } = readArgument<InboxOptions>();
const built = builtIn(dist);
const { readConfig } = await built.config();
const { createRuntime } = await built.runtime();
const { createProject } = await built.project();
const { createAct } = await built.act();
const { createRead } = await built.read();
const config = readConfig({ DATABASE_URL: databaseUrl, AUTH_SECRET: randomUUID(), LOG_LEVEL: 'warn' });
const logger = { info() {}, warn() {}, error: console.error };
const { backends } = await createRuntime(config, { ephemeral: false }, logger);
const shared = { ...backends, logger };
const project = createProject(shared, { retentionDays: config.retentionDays });
const act = createAct(shared);
const read = createRead(shared);
let offset = 0n;

async function arrive(): Promise<void> {
  const now = new Date();
  const data = { category: 'general', severity: 'NORMAL', title: 'Hello' };
  const event = {
    id: randomUUID(),
    source: 'bench',
    type: 'notificationSent',
    ...user,
    occurredAt: now,
    data,
  };
  offset += 1n;
  await project.apply([
    {
      topic: 'create-user-notification-command',
      partition: 0,
      offset,
      key: `${user.tenantId}/${user.userId}`,
      value: Buffer.from(JSON.stringify({ ...event, schemaVersion: 1 })),
      appendedAt: now,
      headers: {},
    },
  ]);
}

const steps: Readonly<Record<string, () => Promise<unknown>>> = {
  arrival: arrive,
  badge: () => read.currentBadge(user),
  page: () => backends.store.notifications(user, { archived: false, snoozed: false, first: 26 }),
  opening: () => act.openInbox(user, undefined),
};

answerParent(
  {},
  {
    async run({ seconds }: { readonly seconds: number }) {
      const times = new Map(Object.keys(steps).map((name) => [name, [] as number[]]));
      const endsAt = performance.now() + seconds * 1000;
      while (performance.now() < endsAt) {
        for (const [name, step] of Object.entries(steps)) {
          const start = performance.now();
          await step();
          times.get(name)?.push(performance.now() - start);
        }
        if (reads) await act.markNotifications(user, { action: 'ARCHIVE', which: { filter: {} } });
      }
      const badge = await read.currentBadge(user);
      if (badge.unseen !== 0) throw new Error(`The opened inbox has ${badge.unseen} unseen notifications.`);
      return Object.fromEntries([...times].map(([name, all]) => [`${name}Ms`, percentile(all, 0.5)]));
    },
  },
);
