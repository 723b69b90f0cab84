import fc from 'fast-check';
import { v7 as uuidV7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type UserStats, type WindowMode, windowOf } from '../../../domain/stats.ts';
import type { UserKey } from '../../../domain/user.ts';
import { openTestStorage, type TestStorage } from '../../../testing/storage.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
  await storage.store.preparePageViews(
    Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2026, month))),
  );
});
afterAll(() => storage.close());

interface View {
  readonly name: string;
  readonly at: Date;
}

interface Question {
  readonly days: number;
  readonly mode: WindowMode;
  readonly timeZone: string;
  readonly asOf: Date;
}

let users = 0;

/** Stores the views for a new user and reads the stats. */
async function statsFor(views: readonly View[], question: Question): Promise<UserStats> {
  const key: UserKey = { tenantId: 'default', userId: `user-${++users}` };
  // In the index these users are directly before and after the user. Their views must not be counted.
  const others = [`user-${users}-`, `user-${users - 1}~`].map((userId) => ({ ...key, userId }));
  const rows = [key, ...others].flatMap((user) =>
    views.map(({ name, at }) => ({
      ...user,
      id: uuidV7(),
      name,
      path: null,
      subjectId: null,
      occurredAt: at,
      receivedAt: at,
    })),
  );
  await storage.store.transaction((transaction) => transaction.addPageViews(rows));
  return storage.store.stats(key, windowOf(question));
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Returns the calendar day of an instant in a time zone. */
const dayOf = (instant: Date, timeZone: string): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    instant,
  );

const dayAfter = (day: string, count: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + count * dayMs).toISOString().slice(0, 10);

/** Returns the first instant of a day. Checks every quarter of an hour until the local date is that day. */
function firstInstantOf(day: string, timeZone: string): Date {
  for (let at = Date.parse(`${day}T00:00:00Z`) - 15 * hourMs; ; at += 15 * minuteMs) {
    if (dayOf(new Date(at), timeZone) >= day) return new Date(at);
  }
}

/** Computes the stats exactly as the API describes them. Speed does not matter. */
function oracle(
  all: readonly View[],
  { days, mode, timeZone, asOf }: Question,
): UserStats & { readonly start: Date } {
  const today = dayOf(asOf, timeZone);
  const start =
    mode === 'CALENDAR'
      ? firstInstantOf(dayAfter(today, 1 - days), timeZone)
      : new Date(asOf.getTime() - days * dayMs);
  const views = all
    .filter(({ at }) => at >= start && at < asOf)
    .toSorted((a, b) => a.at.getTime() - b.at.getTime());

  let sessionCount = 0;
  let timeOnSiteMs = 0;
  const msByDay = new Map<string, number>();
  views.forEach(({ at }, index) => {
    const previous = views[index - 1];
    const gap = previous ? at.getTime() - previous.at.getTime() : Number.POSITIVE_INFINITY;
    if (!previous || gap > 30 * minuteMs) {
      sessionCount += 1;
      return;
    }
    timeOnSiteMs += gap;
    const day = dayOf(previous.at, timeZone);
    msByDay.set(day, (msByDay.get(day) ?? 0) + gap);
  });

  const byName = new Map<string, { name: string; views: number; lastViewedAt: Date }>();
  for (const { name, at } of views) {
    byName.set(name, { name, views: (byName.get(name)?.views ?? 0) + 1, lastViewedAt: at });
  }
  const topPages = [...byName.values()].toSorted(
    (a, b) =>
      b.views - a.views ||
      b.lastViewedAt.getTime() - a.lastViewedAt.getTime() ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );

  const lastDay = mode === 'CALENDAR' ? today : dayOf(new Date(asOf.getTime() - 1), timeZone);
  const byDay: UserStats['byDay'][number][] = [];
  for (let day = dayOf(start, timeZone); day <= lastDay; day = dayAfter(day, 1)) {
    byDay.push({
      date: day,
      pageViewCount: views.filter(({ at }) => dayOf(at, timeZone) === day).length,
      timeOnSiteSeconds: Math.floor((msByDay.get(day) ?? 0) / 1000),
    });
  }
  return {
    start,
    pageViewCount: views.length,
    uniquePageCount: byName.size,
    timeOnSiteSeconds: Math.floor(timeOnSiteMs / 1000),
    sessionCount,
    activeDayCount: byDay.filter(({ pageViewCount }) => pageViewCount > 0).length,
    topPages: topPages.slice(0, 100),
    byDay,
  };
}

/** Time zones, each with a day in 2026. On most of these days the clocks of the zone change. */
const occasions = [
  ['UTC', '2026-06-15'],
  ['Europe/Berlin', '2026-03-29'], // 02:00 becomes 03:00: 23 hours
  ['Europe/Berlin', '2026-10-25'], // 03:00 becomes 02:00: 25 hours
  ['Asia/Kathmandu', '2026-06-15'], // +05:45
  ['Pacific/Apia', '2026-06-15'], // +13:00: today is tomorrow
  ['Pacific/Chatham', '2026-04-05'], // +13:45 becomes +12:45
  ['Australia/Lord_Howe', '2026-10-04'], // clocks move by half an hour
  ['America/St_Johns', '2026-03-08'], // -03:30 becomes -02:30
  ['America/Santiago', '2026-09-06'], // there is no midnight: the day begins at 01:00
  ['America/Havana', '2026-11-01'], // 01:00 becomes 00:00: the hour after midnight comes twice
  ['Africa/Cairo', '2026-04-24'], // there is no midnight
  ['America/Sao_Paulo', '2026-02-28'],
] as const;

/** The times between views: about the session gap, about a day, and zero. */
const steps = [
  0,
  1,
  999,
  minuteMs,
  30 * minuteMs - 1,
  30 * minuteMs,
  30 * minuteMs + 1,
  hourMs,
  5 * hourMs + 59 * minuteMs,
  23 * hourMs,
  dayMs,
  25 * hourMs,
];

const names = ['a', 'B', 'ä', '\uff5e', '\u{1F600}', 'a b'];

const scenario = fc
  .record({
    occasion: fc.constantFrom(...occasions),
    firstMs: fc.integer({ min: -60 * hourMs, max: 12 * hourMs }),
    views: fc.array(fc.record({ name: fc.constantFrom(...names), step: fc.constantFrom(...steps) }), {
      maxLength: 25,
    }),
    days: fc.integer({ min: 1, max: 5 }),
    mode: fc.constantFrom<WindowMode>('CALENDAR', 'ROLLING'),
    end: fc.oneof(
      fc.integer({ min: -30 * hourMs, max: 50 * hourMs }).map((ms) => ({ kind: 'offset' as const, ms })),
      fc.nat(24).map((index) => ({ kind: 'view' as const, index })),
      fc.constantFrom(-1, 0, 1).map((ms) => ({ kind: 'midnight' as const, ms })),
    ),
  })
  .map(({ occasion: [timeZone, day], firstMs, views: drawn, days, mode, end }) => {
    const midnight = firstInstantOf(day, timeZone).getTime();
    let at = midnight + firstMs;
    const views = drawn.map(({ name, step }): View => {
      at += step;
      return { name, at: new Date(at) };
    });
    const asOf =
      end.kind === 'offset'
        ? midnight + end.ms
        : end.kind === 'midnight'
          ? firstInstantOf(dayAfter(day, 1), timeZone).getTime() + end.ms
          : (views[end.index % Math.max(views.length, 1)]?.at.getTime() ?? midnight);
    return { views, question: { days, mode, timeZone, asOf: new Date(asOf) } };
  });

describe('stats', () => {
  it('match the definition in every time zone, on days of 23, 24 and 25 hours', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ views, question }) => {
        const { start, ...expected } = oracle(views, question);
        expect(windowOf(question)).toMatchObject({ start, end: question.asOf });
        expect(await statsFor(views, question)).toEqual(expected);
      }),
      { numRuns: 250 },
    );
  });

  it('differ from the definition if the days begin one hour later (control: the check above can fail)', async () => {
    const views = [{ name: 'a', at: new Date('2026-03-29T22:30:00Z') }];
    const question = {
      days: 2,
      mode: 'CALENDAR',
      timeZone: 'Europe/Berlin',
      asOf: new Date('2026-03-30T20:00:00Z'),
    } as const;
    const { start: _, ...expected } = oracle(views, question);
    expect(await statsFor(views, question)).toEqual(expected);
    // 22:30 in UTC is 00:30 on the 30th in summer time, and 23:30 on the 29th in winter time.
    expect(expected.byDay).toMatchObject([{ pageViewCount: 0 }, { pageViewCount: 1 }]);
    expect(await statsFor(views, { ...question, timeZone: 'Africa/Lagos' })).not.toEqual(expected);
  });

  const at = (time: string): Date => new Date(`2026-11-${time}Z`);
  const view = (name: string, time: string): View => ({ name, at: at(time) });
  const week = { days: 7, mode: 'CALENDAR', timeZone: 'UTC', asOf: at('20T12:00:00') } as const;

  it('are zeros for every day if the user is unknown', async () => {
    const stats = await statsFor([], week);
    expect(stats).toEqual({
      pageViewCount: 0,
      uniquePageCount: 0,
      timeOnSiteSeconds: 0,
      sessionCount: 0,
      activeDayCount: 0,
      topPages: [],
      byDay: ['14', '15', '16', '17', '18', '19', '20'].map((day) => ({
        date: `2026-11-${day}`,
        pageViewCount: 0,
        timeOnSiteSeconds: 0,
      })),
    });
  });

  it('count gaps up to 30 minutes as time on site, and a longer gap as the end of a session', async () => {
    const stats = await statsFor(
      [
        view('Home', '20T09:00:00.000'),
        view('Pricing', '20T09:10:00.000'), // + 10 min =  600 s
        view('Pricing', '20T09:40:00.000'), // + 30 min = 1800 s, exactly the gap: the same session
        view('Home', '20T10:10:00.001'), // 30 min and 1 ms: a new session
        view('Docs', '20T10:10:01.000'), // + 999 ms
      ],
      week,
    );
    // 600 + 1800 + 0.999 = 2400.999 s, rounded down.
    expect(stats).toMatchObject({
      pageViewCount: 5,
      uniquePageCount: 3,
      timeOnSiteSeconds: 2_400,
      sessionCount: 2,
    });
    expect(stats.activeDayCount).toBe(1);
    expect(stats.byDay.at(-1)).toEqual({ date: '2026-11-20', pageViewCount: 5, timeOnSiteSeconds: 2_400 });
  });

  it('order pages by views, then by the last view, then by name', async () => {
    const stats = await statsFor(
      [
        ...[view('three', '18T08:00:00'), view('three', '18T08:01:00'), view('three', '18T08:02:00')],
        ...[view('early', '20T08:00:00'), view('early', '20T09:00:00')],
        ...[view('late', '20T07:00:00'), view('late', '20T10:00:00')],
        ...[view('b', '20T11:00:00'), view('a', '20T11:00:00'), view('Z', '20T11:00:00')],
      ],
      week,
    );
    expect(stats.topPages.map(({ name, views }) => [name, views])).toEqual([
      ['three', 3],
      ['late', 2],
      ['early', 2],
      ['Z', 1],
      ['a', 1],
      ['b', 1],
    ]);
    expect(stats.topPages[0]?.lastViewedAt).toEqual(at('18T08:02:00'));
  });

  it('use the days of the given time zone: one evening in UTC is on two days in Kathmandu', async () => {
    // 18:10 and 18:20 in UTC are 23:55 and 00:05 at +05:45.
    const views = [view('a', '19T18:10:00'), view('b', '19T18:20:00')];
    const inUtc = await statsFor(views, week);
    expect(inUtc).toMatchObject({ activeDayCount: 1, sessionCount: 1, timeOnSiteSeconds: 600 });
    const there = await statsFor(views, { ...week, timeZone: 'Asia/Kathmandu' });
    expect(there).toMatchObject({ activeDayCount: 2, sessionCount: 1, timeOnSiteSeconds: 600 });
    // The ten minutes between the views belong to the day of the earlier view.
    expect(there.byDay.slice(-2)).toEqual([
      { date: '2026-11-19', pageViewCount: 1, timeOnSiteSeconds: 600 },
      { date: '2026-11-20', pageViewCount: 1, timeOnSiteSeconds: 0 },
    ]);
  });

  it('begin a calendar window at midnight and a rolling window at the hour', async () => {
    const views = [
      view('a', '18T23:59:59.999'),
      view('a', '19T00:00:00'),
      view('a', '19T11:59:59.999'),
      view('a', '19T12:00:00'),
    ];
    const two = await statsFor(views, { ...week, days: 2 });
    expect(two).toMatchObject({ pageViewCount: 3, byDay: [{ pageViewCount: 3 }, { pageViewCount: 0 }] });
    const rolling = await statsFor(views, { ...week, days: 1, mode: 'ROLLING' });
    // The 24 hours before noon include parts of two days.
    expect(rolling).toMatchObject({
      pageViewCount: 1,
      byDay: [{ date: '2026-11-19', pageViewCount: 1 }, { pageViewCount: 0 }],
    });
  });

  it('count neither a view at the end of the window nor the time between a view before the window and its first view', async () => {
    const views = [view('a', '19T23:55:00'), view('a', '20T00:05:00'), view('a', '20T12:00:00')];
    const today = await statsFor(views, { ...week, days: 1 });
    expect(today).toMatchObject({ pageViewCount: 1, sessionCount: 1, timeOnSiteSeconds: 0 });
  });

  it('list at most 100 pages and count all pages', async () => {
    const views = Array.from({ length: 130 }, (_, n) => ({
      name: `page ${n}`,
      at: new Date(at('20T08:00:00').getTime() + n),
    }));
    const stats = await statsFor(views, week);
    expect(stats.uniquePageCount).toBe(130);
    expect(stats.topPages.map(({ name }) => name)).toEqual(
      views
        .map(({ name }) => name)
        .toReversed()
        .slice(0, 100),
    );
  });
});
