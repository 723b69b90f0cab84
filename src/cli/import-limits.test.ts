import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { OutgoingRecord } from '../ports/event-log.ts';
import { createTestClock } from '../testing/event.ts';
import { wireLimitEvent } from '../testing/limit.ts';
import { importLimits } from './import-limits.ts';
import { elementsOf } from './json-elements.ts';

/** Yields the bytes in chunks of `size` bytes. */
async function* chunked(bytes: string | Buffer, size = 7): AsyncIterable<Uint8Array> {
  const all = Buffer.from(bytes);
  for (let start = 0; start < all.length; start += size) yield all.subarray(start, start + size);
}

/** Runs an import. Returns the sent records, the messages about invalid events, the counts and the error. */
async function run(bytes: AsyncIterable<Uint8Array>) {
  const sent: OutgoingRecord[] = [];
  const batches: number[] = [];
  const invalid: string[] = [];
  const counts = { accepted: 0, ignored: 0, invalid: 0 };
  const log = {
    async send(records: readonly OutgoingRecord[]) {
      sent.push(...records);
      batches.push(records.length);
    },
  };
  const failed = await importLimits({ log, clock: createTestClock() }, 'acme', elementsOf(bytes), {
    counts,
    onInvalid: (index, eventId, reason) => invalid.push(`${index} ${eventId} ${reason}`),
    onBatch() {},
  }).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { sent, batches, invalid, counts, failed };
}

const events = [
  wireLimitEvent('USER_LIMIT_CREATED', 1, { note: 'brackets ]}[{ and "quotes\\" in text, \\' }),
  wireLimitEvent('USER_LIMIT_CREATED', 2, {}, { type: 'LIMIT_USER_CREATED' }),
  wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 3, { amount: 'ten' }, { eventId: 'bad-event' }),
  wireLimitEvent('USER_LIMIT_RESET', 4, { userId: 'zoë' }),
];

describe('importing limits', () => {
  it.each([1, 2, 7, 1_000_000])('reads an array from chunks of %i bytes', async (size) => {
    for (const text of [JSON.stringify(events), `\ufeff \n${JSON.stringify(events, undefined, 2)}\r\n `]) {
      const { sent, counts, invalid, failed } = await run(chunked(text, size));
      expect(failed).toBeUndefined();
      expect(counts).toEqual({ accepted: 2, ignored: 1, invalid: 1 });
      expect(invalid).toEqual([expect.stringMatching(/^2 bad-event payload\.amount: must be digits/)]);
      expect(sent.map(({ topic, key }) => `${topic} ${key}`)).toEqual([
        'user-limit-events acme/alice',
        'user-limit-events acme/zoë',
      ]);
      expect(sent.map(({ value }) => JSON.parse(String(value)))).toEqual([events[0], events[3]]);
    }
  });

  it.each([
    ['', /it is empty/, 0],
    ['  ', /it is empty/, 0],
    ['{"type":"USER_LIMIT_CREATED"}', /not a JSON array: .*jq -s/, 0],
    ['"x"', /not a JSON array\./, 0],
    ['nope', /not a JSON array\./, 0],
    [gzipSync(JSON.stringify(events)), /^The file .* not a JSON array: .*`zcat`/, 0],
    ['[', /cut off\.$/, 0],
    [`[${JSON.stringify(events[0])}`, /cut off\.$/, 0],
    [`[${JSON.stringify(events[0])},{"a`, /cut off\. The 1 event before that was read\./, 1],
    ['[{"type":"USER_LIMIT_CREATED"},1,', /cut off\. The 2 events before that were read\./, 0],
    [`[${JSON.stringify(events[0])},]`, /missing beside a comma/, 1],
    [`[,${JSON.stringify(events[0])}]`, /missing beside a comma/, 0],
    [`[${JSON.stringify(events[0])}] x`, /something follows the array/, 1],
  ])(
    'names the position from which %s cannot be read, and imports the events before it',
    async (text, message, accepted) => {
      const { failed, counts } = await run(chunked(text));
      expect(failed).toMatch(message);
      expect(counts.accepted).toBe(accepted);
    },
  );

  it('names standard input in the error text', async () => {
    const elements = elementsOf(chunked('nope'), 'Standard input')[Symbol.asyncIterator]();
    await expect(elements.next()).rejects.toThrow(/^Standard input cannot be read any further: /);
  });

  it('refuses events that are not UTF-8, as a worker does', async () => {
    const latin1 = Buffer.from(JSON.stringify([{ ...events[0], eventId: 'zoë' }, events[3]]), 'latin1');
    const { counts, invalid } = await run(chunked(latin1));
    expect(counts).toEqual({ accepted: 0, ignored: 0, invalid: 2 });
    expect(invalid).toEqual(['0 null not UTF-8', '1 null not UTF-8']);
  });

  it('reports the positions of elements that are not events, and imports the other elements', async () => {
    const long = `{"a":"${'x'.repeat(200_000)}"}`;
    const good = JSON.stringify(events[0]);
    const { counts, invalid } = await run(
      chunked(`[1, null, "x", [${good}], {"a":}, ${long}, ${good}]`, 65_536),
    );
    expect(counts).toEqual({ accepted: 1, ignored: 0, invalid: 6 });
    expect(invalid).toEqual([
      '0 null must be a JSON object',
      '1 null must be a JSON object',
      '2 null must be a JSON object',
      '3 null must be a JSON object',
      '4 null not JSON',
      '5 null longer than 65536 bytes',
    ]);
    expect((await run(chunked('[ ]'))).counts).toEqual({ accepted: 0, ignored: 0, invalid: 0 });
  });

  it('streams 200 MB in batches without storing the whole file in memory', async () => {
    const event = Buffer.from(`${JSON.stringify(events[0])},`);
    const chunk = Buffer.concat(Array.from({ length: 100 }, () => event));
    const chunks = Math.ceil(200_000_000 / chunk.length);
    let heapAtMost = 0;
    const before = process.memoryUsage().rss;
    async function* file() {
      yield Buffer.from('[');
      for (let n = 0; n < chunks; n += 1) {
        if (n % 500 === 0) heapAtMost = Math.max(heapAtMost, process.memoryUsage().rss - before);
        yield chunk;
      }
      yield Buffer.from(`${JSON.stringify(events[0])}]`);
    }
    let elements = 0;
    for await (const element of elementsOf(file())) elements += Number(element.length > 0);
    expect(elements).toBe(chunks * 100 + 1);
    expect(heapAtMost).toBeLessThan(100_000_000);
  });
});
