import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  additionsOf,
  bucketBounds,
  bucketStart,
  type Granularity,
  granularities,
  isFinal,
  levelOf,
} from './activity.ts';

const bounds = (from: string, to: string, granularity: Granularity, timeZone = 'UTC', max = 1_500) =>
  bucketBounds({ from: new Date(from), to: new Date(to) }, granularity, timeZone, max)?.map((at) =>
    at.toISOString().replace(':00.000Z', 'Z'),
  );

describe('the buckets of a range', () => {
  it('are whole buckets that cover the range from its start to its end', () => {
    expect(bounds('2026-11-20T09:00:30Z', '2026-11-20T09:02:00Z', 'MINUTE')).toEqual([
      '2026-11-20T09:00Z',
      '2026-11-20T09:01Z',
      '2026-11-20T09:02Z',
    ]);
    expect(bounds('2026-11-20T09:59:59Z', '2026-11-20T10:00:01Z', 'HOUR')).toEqual([
      '2026-11-20T09:00Z',
      '2026-11-20T10:00Z',
      '2026-11-20T11:00Z',
    ]);
    expect(bounds('2026-11-20T09:00:00Z', '2026-11-20T10:00:00Z', 'DAY', 'Europe/Berlin')).toEqual([
      '2026-11-19T23:00Z',
      '2026-11-20T23:00Z',
    ]);
  });

  it.each([
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    ['Africa/Cairo', '2026-04-24', 23],
  ])('cover a day with a clock change in %s, %s, which has %d hours', (zone, date, hours) => {
    const noon = new Date(`${date}T12:00:00Z`);
    const range = { from: noon, to: new Date(noon.getTime() + 1) };
    const [start, end] = (bucketBounds(range, 'DAY', zone, 1) ?? []) as [Date, Date];
    expect((end.getTime() - start.getTime()) / 3_600_000).toBe(hours);
    const own = bucketBounds({ from: start, to: end }, 'HOUR', zone, 30) ?? [];
    expect([own.at(0), own.at(-1)]).toEqual([start, end]);
    expect(own).toHaveLength(Math.ceil(hours) + 1);
  });

  it('have no gaps between them, and each bucket overlaps the range', () => {
    const zones = [
      'UTC',
      'Europe/Berlin',
      'Asia/Kathmandu',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Asia/Beirut',
    ];
    fc.assert(
      fc.property(
        fc.date({ min: new Date('2026-01-01'), max: new Date('2026-12-31'), noInvalidDate: true }),
        fc.integer({ min: 1, max: 3 * 86_400_000 }),
        fc.constantFrom<Granularity>('HOUR', 'DAY'),
        fc.constantFrom(...zones),
        (from, ms, granularity, zone) => {
          const to = new Date(from.getTime() + ms);
          const found = bucketBounds({ from, to }, granularity, zone, 1_500) as readonly Date[];
          expect(found.toSorted((a, b) => a.getTime() - b.getTime())).toEqual(found);
          expect(found.length).toBeGreaterThan(1);
          expect(found[0]?.getTime()).toBeLessThanOrEqual(from.getTime());
          expect(found[1]?.getTime()).toBeGreaterThan(from.getTime());
          expect(found.at(-2)?.getTime()).toBeLessThan(to.getTime());
          expect(found.at(-1)?.getTime()).toBeGreaterThanOrEqual(to.getTime());
        },
      ),
    );
  });

  it('are undefined if the range has more buckets than the maximum', () => {
    const day = ['2026-11-20T00:00:00Z', '2026-11-21T00:00:00Z'] as const;
    expect(bounds(...day, 'HOUR', 'UTC', 24)).toHaveLength(25);
    expect(bounds(...day, 'HOUR', 'UTC', 23)).toBeUndefined();
    expect(bounds(...day, 'MINUTE', 'UTC', 1_440)).toHaveLength(1_441);
    expect(bounds(...day, 'MINUTE', 'UTC', 1_439)).toBeUndefined();
    expect(bounds('0001-01-01T00:00:00Z', '9999-12-31T00:00:00Z', 'MINUTE')).toBeUndefined();
    expect(
      bounds('2026-01-01T00:00:00Z', '2026-07-01T00:00:00Z', 'DAY', 'Europe/Berlin', 180),
    ).toBeUndefined();
  });

  it('are read from the coarsest granularity that has a boundary at each of their bounds', () => {
    const level = (...instants: string[]) => levelOf(instants.map((instant) => new Date(instant)));
    expect(level('2026-11-20T00:00:00Z', '2026-11-21T00:00:00Z')).toBe('DAY');
    expect(level('2026-11-19T23:00:00Z', '2026-11-21T00:00:00Z')).toBe('HOUR');
    expect(level('2026-11-19T18:15:00Z', '2026-11-20T18:15:00Z')).toBe('MINUTE');
  });
});

describe('a bucket', () => {
  const end = new Date('2026-11-20T09:01:00Z');
  const at = (ms: number) => new Date(end.getTime() + ms);

  it('is final after the settle time, and a late event makes it not final for the same time', () => {
    expect(isFinal({ end, updatedAt: undefined }, at(59_999), 60_000)).toBe(false);
    expect(isFinal({ end, updatedAt: undefined }, at(60_000), 60_000)).toBe(true);
    expect(isFinal({ end, updatedAt: at(500_000) }, at(559_999), 60_000)).toBe(false);
    expect(isFinal({ end, updatedAt: at(500_000) }, at(560_000), 60_000)).toBe(true);
  });
});

describe('the additions of activities', () => {
  const activity = fc.record({
    tenantId: fc.constantFrom('a', 'b'),
    userId: fc.constantFrom('alice', 'bob', 'carol'),
    id: fc.uuid(),
    activityType: fc.constantFrom('page_view', 'click'),
    occurredAt: fc.date({
      min: new Date('2026-11-19T22:58Z'),
      max: new Date('2026-11-20T01:02Z'),
      noInvalidDate: true,
    }),
  });

  it('contain every activity once per minute, hour and day, in a fixed order', () => {
    fc.assert(
      fc.property(fc.array(activity, { maxLength: 40 }), (activities) => {
        const additions = additionsOf(activities);
        const names = additions.map(({ tenantId, granularity, start }) =>
          [tenantId, granularity, start.toISOString()].join(' '),
        );
        expect(names).toEqual([...new Set(names)].sort());
        for (const granularity of granularities) {
          const own = additions.filter((addition) => addition.granularity === granularity);
          const events = own.reduce((sum, { types }) => [...types.values()].reduce((a, b) => a + b, sum), 0);
          expect(events).toBe(activities.length);
        }
        for (const { tenantId, granularity, start, userIds, types } of additions) {
          const inside = activities.filter(
            (one) => one.tenantId === tenantId && +bucketStart(one.occurredAt, granularity) === +start,
          );
          expect(userIds).toEqual(new Set(inside.map(({ userId }) => userId)));
          for (const [type, count] of types)
            expect(count).toBe(inside.filter(({ activityType }) => activityType === type).length);
        }
      }),
    );
  });
});
