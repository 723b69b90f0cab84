import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserPatch } from '../domain/user.ts';
import { createTestClock } from '../testing/event.ts';
import { withTransactions } from '../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../testing/storage.ts';
import { importUsers } from './import-users.ts';
import { usersOfLines, usersOfRange } from './user-lines.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

let tenants = 0;

/** Yields the bytes in chunks of `size` bytes. */
async function* chunked(bytes: string | Buffer, size = 7): AsyncIterable<Uint8Array> {
  const all = Buffer.from(bytes);
  for (let start = 0; start < all.length; start += size) yield all.subarray(start, start + size);
}

/** Runs an import into a new tenant. Returns the counts, the refused lines and the users. */
async function run(lines: Parameters<typeof importUsers>[2], tenantId = `tenant-${++tenants}`) {
  const batches: number[] = [];
  const store = withTransactions(storage.store, (transaction) => ({
    patchUsers(patches, now) {
      batches.push(patches.length);
      return transaction.patchUsers(patches, now);
    },
  }));
  const counts = { created: 0, updated: 0, refused: 0 };
  const refused: [line: number, reason: string][] = [];
  await importUsers({ store, clock: createTestClock() }, tenantId, lines, {
    counts,
    onRefused: (...refusal) => refused.push(refusal),
    onBatch() {},
  });
  const users = await storage.store.usersOf(tenantId, { first: 10_000 });
  return { tenantId, batches, counts, refused, users };
}
const runLines = (text: string | Buffer, patch: UserPatch = {}, size?: number) =>
  run(usersOfLines(chunked(text, size), patch));

describe('importing users', () => {
  it('writes a range in batches, also if the range is longer than a batch', async () => {
    const { batches, counts, users, tenantId } = await run(
      usersOfRange(1, 4_500, { timeZone: 'Asia/Tokyo' }),
    );
    expect({ batches, counts }).toEqual({
      batches: [2_000, 2_000, 500],
      counts: { created: 4_500, updated: 0, refused: 0 },
    });
    expect(users).toHaveLength(4_500);
    expect(users.every(({ timeZone }) => timeZone === 'Asia/Tokyo')).toBe(true);
    const again = await run(usersOfRange(4_500, 4_501, {}), tenantId);
    expect(again.counts).toEqual({ created: 1, updated: 1, refused: 0 });
  });

  it.each([1, 2, 7, 1_000_000])('reads lines from chunks of %i bytes', async (size) => {
    const text = '\ufeff{"userId":"zoë","timeZone":"Asia/Tokyo"}\r\n\n{"userId":"b"}\n  \n{"userId":"c"}';
    const { counts, users, refused } = await runLines(text, { timeZone: 'UTC' }, size);
    expect(counts).toEqual({ created: 3, updated: 0, refused: 1 });
    expect(refused).toEqual([[4, 'not JSON']]);
    expect(users.map(({ userId, timeZone }) => [userId, timeZone]).toSorted()).toEqual([
      ['b', 'UTC'],
      ['c', 'UTC'],
      ['zoë', 'Asia/Tokyo'],
    ]);
  });

  it('reports invalid lines with their numbers and reasons, and imports the other lines', async () => {
    const bad: [line: string | Buffer, reason: RegExp][] = [
      ['nope', /^not JSON$/],
      ['[]', /expected object/],
      ['{}', /^userId /],
      ['{"userId":7}', /^userId .*expected string/],
      ['{"userId":""}', /^userId must have at least 1 character$/],
      [`{"userId":"${'x'.repeat(129)}"}`, /^userId must have at most 128/],
      ['{"userId":"a\\u0000"}', /^userId must not contain U\+0000/],
      ['{"userId":"a","timeZone":"Mars/Base"}', /^timeZone must be an IANA/],
      ['{"userId":"a","timezone":"UTC"}', /"timezone"/],
      ['{"userId":"a","canReceiveNotifications":"yes"}', /^canReceiveNotifications /],
      [Buffer.from([0x7b, 0xff, 0x7d]), /^not UTF-8$/],
      [`{"userId":"a","x":"${'x'.repeat(200_000)}"}`, /^longer than 10000 bytes$/],
    ];
    const text = Buffer.concat(
      bad.flatMap(([line], index) => [Buffer.from(line), Buffer.from(`\n{"userId":"good-${index}"}\n`)]),
    );
    const { counts, refused } = await runLines(text, {}, 64 * 1024);
    expect(counts).toEqual({ created: bad.length, updated: 0, refused: bad.length });
    expect(refused.map(([line]) => line)).toEqual(bad.map((_, index) => 2 * index + 1));
    for (const [index, [, reason]] of bad.entries()) expect(refused[index]?.[1]).toMatch(reason);
  });

  it('applies several lines of the same user in their order', async () => {
    const { counts, users, batches } = await runLines(
      [
        '{"userId":"a","timeZone":"Asia/Tokyo"}',
        '{"userId":"b"}',
        '{"userId":"a","canReceiveNotifications":false}',
        '{"userId":"a","timeZone":null}',
      ].join('\n'),
    );
    expect({ counts, batches }).toEqual({ counts: { created: 2, updated: 2, refused: 0 }, batches: [2] });
    expect(users.find(({ userId }) => userId === 'a')).toMatchObject({
      timeZone: 'UTC',
      canReceiveNotifications: false,
    });
  });
});
