import { createApp } from '../app.ts';
import { readConfig } from '../config/config.ts';
import type { Store } from '../ports/store/store.ts';
import { createLogger } from '../runtime/error-text.ts';
import { createRuntime } from '../runtime/runtime.ts';
import { withTransactions } from './faults.ts';

/**
 * Starts the program with `tsx src/testing/doomed.ts POINT N`. The program kills itself when it reaches POINT
 * for the Nth time. The points:
 * - `mid-batch`: the transaction of a batch has recorded its events as applied, and is not committed.
 * - `after-commit`: the transaction is committed, and its messages are not published.
 * - `after-publish`: the messages are published, and the position has not moved.
 * - `mid-count`: a flush of the metrics has recorded its events as counted, and is not committed.
 * - `after-count`: the flush is committed and published, and the position has not moved.
 * - `after-append`: the events are durable, and the request is not answered.
 * - `mid-waiting`: a transaction applies the records that waited for their user, and is not committed.
 * - `after-waiting`: the transaction of these records is committed, and its messages are not published.
 * - `after-send`: the records for other systems are in the log, and still in the outbox.
 */
export type Point =
  | 'mid-batch'
  | 'after-commit'
  | 'after-publish'
  | 'mid-count'
  | 'after-count'
  | 'after-append'
  | 'mid-waiting'
  | 'after-waiting'
  | 'after-send';

const [point, count] = process.argv.slice(2) as [Point, string];
let left = Number(count);

function dieAt(here: Point): void {
  if (here !== point) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

const config = readConfig();
const logger = createLogger(config.logLevel);
const runtime = await createRuntime(config, { ephemeral: false }, logger);
const { store, log, pubSub } = runtime.backends;

const claiming = withTransactions(store, (transaction) => ({
  async claimEvents(events, now) {
    const claims = await transaction.claimEvents(events, now);
    if (events.length > 0) dieAt('mid-batch');
    return claims;
  },
  async claimCounted(events, now) {
    const claims = await transaction.claimCounted(events, now);
    dieAt('mid-count');
    return claims;
  },
}));
const projection: Store['projection'] = async (work, options) => {
  const result = await claiming.projection(work, options);
  dieAt('after-commit');
  return result;
};
let hasTaken = false;
const taking = withTransactions(store, ({ takeWaiting }) => ({
  async takeWaiting(rows) {
    const taken = await takeWaiting(rows);
    hasTaken = taken.includes(true);
    if (hasTaken) dieAt('mid-waiting');
    return taken;
  },
}));
const transaction: Store['transaction'] = async (work) => {
  const result = await taking.transaction(work);
  if (hasTaken) dieAt('after-waiting');
  return result;
};
const app = await createApp(
  {
    ...runtime.backends,
    store: { ...store, projection, transaction },
    pubSub: {
      ...pubSub,
      async publish(messages) {
        await pubSub.publish(messages);
        dieAt(messages.some(({ topic }) => topic.startsWith('activity:')) ? 'after-count' : 'after-publish');
      },
    },
    log: {
      ...log,
      async append(events) {
        await log.append(events);
        dieAt('after-append');
      },
      async send(records) {
        await log.send(records);
        dieAt('after-send');
      },
    },
  },
  config,
);
const { url } = await app.start();
console.error(`is ready after a while: ${url}/readyz`);
process.once('SIGTERM', async () => {
  await app.stop();
  await runtime.close();
});
