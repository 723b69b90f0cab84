// A consumer as a separate process, with the arguments URL GROUP HOLD_MS. The consumer prints `got ID` when it gets a
// record, holds the first batch for HOLD_MS, and prints `done ID` when it has handled a record.
import { setTimeout as delay } from 'node:timers/promises';
import { topics } from '../events/topic.ts';
import { openKafkaLog } from './kafka-log.ts';

const [url = '', group = '', holdMs = '0'] = process.argv.slice(2);
const log = openKafkaLog(url, { sessionTimeoutMs: 1_500 });
let hold = Number(holdMs);
await log.consume(group, [topics.userActivity], async (records) => {
  const ids = records.map(
    ({ value }) => (JSON.parse(Buffer.from(value ?? []).toString()) as { id: string }).id,
  );
  for (const id of ids) console.log(`got ${id}`);
  await delay(hold);
  hold = 0;
  for (const id of ids) console.log(`done ${id}`);
});
