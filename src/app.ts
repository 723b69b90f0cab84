import type { Config } from './config.ts';
import { createAct } from './flow/act.ts';
import { createConsume } from './flow/consume.ts';
import { createProject } from './flow/project.ts';
import { createRead } from './flow/read.ts';
import { createRecord } from './flow/record.ts';
import { createRelay } from './flow/relay.ts';
import { createSweep } from './flow/sweep.ts';
import { createWatch } from './flow/watch.ts';
import { createOperations } from './graphql/operation.ts';
import { createResolvers, getSchema } from './graphql/schema.ts';
import { createGraphQLOverHttp } from './http/graphql-http.ts';
import { createGraphQLOverWebSocket } from './http/graphql-ws.ts';
import { createListener } from './http/listener.ts';
import { createPages, type PageTokens } from './http/pages.ts';
import type { Authenticator } from './ports/authenticator.ts';
import type { Clock } from './ports/clock.ts';
import type { EventLog } from './ports/event-log.ts';
import type { Logger } from './ports/logger.ts';
import type { Outbox } from './ports/outbox.ts';
import type { PubSub } from './ports/pub-sub.ts';
import type { Store } from './ports/store.ts';

/** What an app needs from outside. */
export interface Backends {
  readonly store: Store;
  readonly log: EventLog;
  readonly outbox: Outbox;
  readonly pubSub: PubSub;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tokens for the pages; undefined when authentication is configured. */
  readonly pageTokens: (() => Promise<PageTokens>) | undefined;
}

export interface App {
  /** Resolves when requests are answered and events applied. */
  start(): Promise<{ readonly url: string }>;
  /** Finishes what is under way and stops; the backends are left to whoever made them. */
  stop(): Promise<void>;
}

/** Joins the rooms. */
export async function createApp(backends: Backends, config: Config): Promise<App> {
  const { store, log, outbox, pubSub, authenticator, clock, logger, pageTokens } = backends;
  const { retentionDays } = config;

  const read = createRead({ store, clock });
  const record = createRecord({ log, store, clock }, { retentionDays });
  const act = createAct({ store, pubSub, clock, logger });
  const watch = createWatch({ store, read, pubSub, logger }, { resyncMs: config.resyncMs });
  const project = createProject({ store, pubSub, clock, logger }, { retentionDays });
  const consume = createConsume({ log, project, logger });
  const relay = createRelay({ outbox, log, project, logger });
  const sweep = createSweep({ store, log, clock, logger }, { logRetentionDays: config.logRetentionDays });

  const schema = getSchema();
  const container = createResolvers({ act, read, record, watch, store, clock, retentionDays });
  const operations = createOperations(schema, { introspection: config.introspection });
  const door = { schema, container, authenticator, operations, logger };
  const listener = createListener({
    graphql: await createGraphQLOverHttp(door),
    sockets: createGraphQLOverWebSocket(door),
    pages: createPages({ tokens: pageTokens }),
    isReady: () =>
      store.ping().then(
        () => [],
        () => ['store'],
      ),
    corsOrigins: config.corsOrigins,
    logger,
  });

  return {
    async start() {
      // The door last: what it accepts is applied from the first moment.
      await sweep.start();
      await consume.start();
      relay.start();
      return listener.listen(config.host, config.port);
    },
    async stop() {
      await listener.drain(config.shutdownTimeoutMs);
      watch.stop();
      sweep.stop();
      await relay.stop();
      await log.close();
    },
  };
}
