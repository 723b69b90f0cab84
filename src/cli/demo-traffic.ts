import { setTimeout as delay } from 'node:timers/promises';

/**
 * The pages of a web site, and the pages that a visitor can go to from each page. A page that is listed twice
 * is twice as likely.
 */
const site: Readonly<Record<string, readonly string[]>> = {
  Home: ['Pricing', 'Docs', 'Docs', 'Blog', 'Shop', 'Shop', 'Shop'],
  Pricing: ['Home', 'Docs', 'Shop'],
  Docs: ['Docs', 'Docs', 'Home', 'Pricing'],
  Blog: ['Home', 'Blog', 'Pricing'],
  Shop: ['Shop', 'Shop', 'Cart', 'Home'],
  Cart: ['Checkout', 'Shop'],
  Checkout: ['Home'],
};

/** Every second visitor gets one of these limits. */
const limits = [
  { type: 'DEPOSIT', period: 'DAY', value: 200, currencyCode: 'EUR' },
  { type: 'SESSION', period: 'CALENDAR_DAY', value: 3_600 },
] as const;

const news = ['Your order has shipped', 'A reply to your question', 'New this week', 'Your invoice is ready'];

/** The options of a demo. */
export interface DemoOptions {
  /** The address of the server, without a path. */
  readonly url: string;
  /** A service token of a tenant that has no other users. */
  readonly token: string;
  /** How many users the demo has, 1 to 500. */
  readonly users: number;
  /** Events per second. */
  readonly rate: number;
  readonly forMs: number;
  /**
   * The setting LIMIT_THRESHOLDS of the server: the percentages of a limit that notify its user, ascending.
   */
  readonly limitThresholds: Readonly<Record<(typeof limits)[number]['type'], readonly number[]>>;
}

interface DemoUser {
  readonly userId: string;
  page: string | undefined;
  views: number;
  clicks: number;
  notifications: number;
  readonly limit: ((typeof limits)[number] & { readonly userLimitId: string }) | undefined;
  /** The progress of the limit after each acknowledged use. */
  readonly uses: number[];
  used: number;
}

/** A number that the server shows, and the number that it should show. */
export interface Check {
  readonly what: string;
  readonly expected: number;
  readonly found: number;
}

/** The traffic that was sent, and a way to check it. */
export interface Demo {
  readonly events: number;
  readonly sessions: number;
  readonly openings: number;
  /** Compares the acknowledged events with the numbers that the server shows now. */
  check(): Promise<readonly Check[]>;
}

type Answer = Readonly<Record<string, unknown>>;

/**
 * Sends the traffic of a web site to a server. Visitors come, go from page to page, click, use up their
 * limits and leave. The shop sends them notifications, and they open their inboxes. Rejects if the server
 * cannot be reached or refuses a request.
 */
export async function runDemo(
  { url, token, users, rate, forMs, limitThresholds }: DemoOptions,
  onProgress: (done: { readonly part: number; readonly events: number }) => void,
): Promise<Demo> {
  async function ask<Data>(query: string, variables: Answer = {}): Promise<Data> {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
    if (!data || errors) throw new Error(errors?.[0]?.message ?? `the server answers ${response.status}`);
    const refused = Object.values(data).flatMap(
      (field) => (field as { userErrors?: { message: string }[] } | null)?.userErrors ?? [],
    );
    if (refused[0]) throw new Error(refused[0].message);
    return data;
  }

  const people: readonly DemoUser[] = Array.from({ length: users }, (_, n) => ({
    userId: `visitor-${n + 1}`,
    page: undefined,
    views: 0,
    clicks: 0,
    notifications: 0,
    limit: n % 2 === 0 ? { ...pick(limits), userLimitId: `limit-${n + 1}` } : undefined,
    uses: [],
    used: 0,
  }));
  const patches = people.map(({ userId }) => ({ userId, patch: {} }));
  await ask(
    'mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: { users: $users }) { userErrors { message } } }',
    {
      users: patches,
    },
  );

  for (const { userId, limit } of people) {
    if (!limit) continue;
    const input = { ...limit, userId, brandId: 'demo', value: String(limit.value) };
    await ask(
      'mutation ($input: CreateUserLimitInput!) { createUserLimit(input: $input) { userErrors { message } } }',
      { input },
    );
  }

  const record = (input: Answer) =>
    ask(
      'mutation ($input: RecordPageViewInput!) { recordPageView(input: $input) { userErrors { message } } }',
      { input },
    );
  const from = new Date();
  let [events, sessions, openings] = [0, 0, 0];

  /** Sends one action of a random visitor, and counts it after the server acknowledges it. */
  async function act(): Promise<void> {
    const user = pick(people);
    const { userId } = user;
    const chance = Math.random();
    if (user.page !== undefined && user.limit && chance < 0.1) {
      const { userLimitId, value } = user.limit;
      const amount = Math.round(value * (0.2 + 0.3 * Math.random()));
      const { updateUserLimitProgress } = await ask<{ updateUserLimitProgress: { userLimit: VisibleLimit } }>(
        `mutation ($input: UpdateUserLimitProgressInput!) {
           updateUserLimitProgress(input: $input) { userLimit { progress } userErrors { message } } }`,
        { input: { userLimitId, amount: String(amount) } },
      );
      user.used += amount;
      user.uses.push(Number(updateUserLimitProgress.userLimit.progress));
    } else if (user.page === undefined || chance < 0.75) {
      if (user.page === undefined) sessions += 1;
      const page = user.page === undefined ? 'Home' : pick(site[user.page] ?? ['Home']);
      // A visitor may leave after any page and always leaves after the checkout.
      user.page = page === 'Checkout' || Math.random() < 0.1 ? undefined : page;
      await record({ userId, name: page, path: `/${page.toLowerCase()}` });
      user.views += 1;
    } else if (chance < 0.85) {
      await record({ userId, name: user.page, activityType: 'click' });
      user.clicks += 1;
    } else if (chance < 0.95) {
      const input = { userId, content: { title: pick(news) } };
      await ask(
        'mutation ($input: SendNotificationInput!) { sendNotification(input: $input) { userErrors { message } } }',
        { input },
      );
      user.notifications += 1;
    } else {
      await ask(
        'mutation ($input: OpenInboxInput!) { openInbox(input: $input) { userErrors { message } } }',
        {
          input: { userId },
        },
      );
      openings += 1;
    }
    events += 1;
  }

  const startedAt = performance.now();
  const underWay = new Set<Promise<void>>();
  let failure: unknown;
  for (let n = 0; ; n += 1) {
    const dueMs = (n * 1000) / rate;
    if (dueMs >= forMs || failure !== undefined) break;
    const waitMs = startedAt + dueMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    const work = act().catch((error: unknown) => {
      failure ??= error;
    });
    underWay.add(work);
    void work.then(() => underWay.delete(work));
    onProgress({ part: dueMs / forMs, events });
  }
  await Promise.all(underWay);
  if (failure !== undefined) throw failure;
  onProgress({ part: 1, events });

  /**
   * How many warnings about the limit the user received: one for each threshold that was the highest reached
   * after a use.
   */
  function warnings({ limit, uses }: DemoUser): number {
    if (!limit) return 0;
    const reached = (use: number) =>
      limitThresholds[limit.type].findLast((percent) => use * 100 >= percent * limit.value);
    return new Set(uses.flatMap((use) => reached(use) ?? [])).size;
  }

  async function check(): Promise<readonly Check[]> {
    let [views, used, notifications, unseen, listedUnseen] = [0, 0, 0, 0, 0];
    for (const { userId } of people) {
      const { user } = await ask<{ user: VisibleUser }>(
        `query ($userId: ID!) { user(userId: $userId) { badge { unseen } stats { pageViewCount } limits { progress }
           notifications(first: 100) { totalCount nodes { seenAt } } } }`,
        { userId },
      );
      views += user.stats.pageViewCount;
      used += user.limits.reduce((sum, { progress }) => sum + Number(progress), 0);
      notifications += user.notifications.totalCount;
      // Unseen notifications are compared only for users whose notifications fit on one page.
      if (user.notifications.totalCount > 100) continue;
      unseen += user.badge.unseen;
      listedUnseen += user.notifications.nodes.filter(({ seenAt }) => seenAt === null).length;
    }
    const { activityMetrics } = await ask<{ activityMetrics: readonly VisibleBucket[] }>(
      `query ($from: DateTime!) { activityMetrics(range: { from: $from }, granularity: DAY) {
         uniqueUsers pageViewCount byType { activityType count } } }`,
      { from: from.toISOString() },
    );
    const sum = (of: (bucket: VisibleBucket) => number) =>
      activityMetrics.reduce((total, bucket) => total + of(bucket), 0);
    const total = (of: (user: DemoUser) => number) => people.reduce((sum, user) => sum + of(user), 0);
    const clicked = (bucket: VisibleBucket) =>
      bucket.byType.find(({ activityType }) => activityType === 'click')?.count ?? 0;
    return [
      { what: 'page views in the stats', expected: total((user) => user.views), found: views },
      { what: 'used of limits', expected: total((user) => user.used), found: used },
      {
        what: 'notifications',
        expected: total((user) => user.notifications + warnings(user)),
        found: notifications,
      },
      { what: 'unseen on the badges', expected: listedUnseen, found: unseen },
      {
        what: 'page views in the metrics',
        expected: total((user) => user.views),
        found: sum((one) => one.pageViewCount),
      },
      { what: 'clicks in the metrics', expected: total((user) => user.clicks), found: sum(clicked) },
      // The unique users of two days cannot be added, so a demo that runs past midnight does not check them.
      ...(activityMetrics.length === 1
        ? [
            {
              what: 'unique users in the metrics',
              expected: total((user) => Number(user.views + user.clicks > 0)),
              found: sum((one) => one.uniqueUsers),
            },
          ]
        : []),
    ];
  }
  return { events, sessions, openings, check };
}

interface VisibleLimit {
  readonly progress: string;
}

interface VisibleUser {
  readonly badge: { readonly unseen: number };
  readonly stats: { readonly pageViewCount: number };
  readonly limits: readonly VisibleLimit[];
  readonly notifications: {
    readonly totalCount: number;
    readonly nodes: readonly { readonly seenAt: string | null }[];
  };
}

interface VisibleBucket {
  readonly uniqueUsers: number;
  readonly pageViewCount: number;
  readonly byType: readonly { readonly activityType: string; readonly count: number }[];
}

/**
 * Checks until every number is right or the time is over, because the server applies and counts events a
 * moment after it acknowledges them.
 */
export async function settledChecks(
  demo: Demo,
  { withinMs }: { readonly withinMs: number },
): Promise<readonly Check[]> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const checks = await demo.check();
    if (checks.every(({ expected, found }) => expected === found) || performance.now() > deadline)
      return checks;
    await delay(500);
  }
}

/** A table of the checks, below a line that summarises the traffic. */
export function demoSummary({ events, sessions, openings }: Demo, checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ what }) => what.length));
  return [
    `${events} events in ${sessions} sessions, inboxes opened ${openings} times`,
    ...checks.map(
      ({ what, expected, found }) =>
        `  ${what.padEnd(width)}  ${String(found).padStart(7)}  ${found === expected ? 'as it should be' : `should be ${expected}`}`,
    ),
  ].join('\n');
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(Math.random() * from.length)] as T;
}
