import { afterEach, describe, expect, it, vi } from 'vitest';
import { topics } from '../../events/topic.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import { pageViewed } from '../../testing/event.ts';
import { openLine } from '../../testing/line.ts';
import { openTestStorage } from '../../testing/storage.ts';
import { connect, silenceMs } from './connection.ts';
import { createPostgresEventLog } from './log/event-log.ts';
import { createPostgresStore } from './store.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe('a database that accepts connections and does not answer', () => {
  it('makes calls reject with UNAVAILABLE after some seconds and interrupts consumers, and both work again when the database answers', async () => {
    const storage = await openTestStorage();
    closing.push(() => storage.close());
    const line = await openLine(storage.connection.connectionString);
    closing.push(line.close);
    const connection = { connectionString: line.connectionString };
    const database = connect(connection, { maxConnections: 4 });
    const store = createPostgresStore(database);
    const log = createPostgresEventLog({ database, connection, logger: silent }, { retryMs: 50 });
    closing.push(() => store.close());
    closing.push(() => log.close());
    const seen: LogRecord[] = [];
    await log.consume('reader', Object.values(topics), async (records) => void seen.push(...records));
    await log.append([pageViewed()]);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    const key = { tenantId: 'default', userId: 'alice' };
    // These calls open connections before the database stops answering.
    await Promise.all([store.users([key]), store.users([key]), store.ping()]);

    line.set('silent');
    const startedAt = performance.now();
    const calls = await Promise.allSettled([
      store.ping(),
      store.users([key]),
      store.transaction((transaction) => transaction.users([key])),
      log.append([pageViewed()]),
      log.append([pageViewed()]),
      store.users([key]),
    ]);
    for (const call of calls)
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    expect(performance.now() - startedAt).toBeLessThan(2 * silenceMs + 2_000);

    line.set('up');
    await vi.waitFor(() => log.append([pageViewed()]), { timeout: 10_000 });
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(2), { timeout: silenceMs + 10_000 });
    await vi.waitFor(() => store.transaction((transaction) => transaction.users([key])), { timeout: 10_000 });
  }, 60_000);
});
