import { setTimeout as delay } from 'node:timers/promises';

/**
 * Maps each page of a web site to the pages that a visitor can open from it. If a page is listed twice, a
 * visitor opens it with double probability.
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

/** The limits for visitors. Every second visitor gets one limit from this list. */
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
  /** The number of users in the demo, 1 to 500. */
  readonly users: number;
  /** Events per second. */
  readonly rate: number;
  readonly forMs: number;
  /**
   * The setting LIMIT_THRESHOLDS of the server: the percentages of a limit that notify its user, ascending.
   */
  readonly limitThresholds: Readonly<Record<(typeof limits)[number]['type'], readonly number[]>>;
}

type VisitorLimit = (typeof limits)[number] & { readonly userLimitId: string };

interface Visitor {
  readonly userId: string;
  page: string | undefined;
  views: number;
  clicks: number;
  notifications: number;
  readonly limit: VisitorLimit | undefined;
  /** The progress of the limit after each use that the server acknowledged. */
  readonly uses: number[];
  used: number;
}

/** Compares a number that the server shows with the number that the server should show. */
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
  /** Compares the acknowledged events with the current numbers of the server. */
  check(): Promise<readonly Check[]>;
}

/**
 * Sends the traffic of a web site to a server. Visitors come, go from page to page, click, use up their
 * limits and leave. The shop sends them notifications, and they open their inboxes. Rejects if the server
 * cannot be reached or refuses a request.
 */
export async function runDemo(
  { users, rate, forMs, limitThresholds, ...server }: DemoOptions,
  onProgress: (done: { readonly part: number; readonly events: number }) => void,
): Promise<Demo> {
  const ask = createAsk(server);
  const visitors = createVisitors(users);
  await registerVisitors(ask, visitors);
  const from = new Date();
  const counts: Counts = { events: 0, sessions: 0, openings: 0 };
  await repeatAtRate(
    { rate, forMs },
    () => act(ask, visitors, counts),
    (part) => onProgress({ part, events: counts.events }),
  );
  return { ...counts, check: () => compare(ask, visitors, { from, limitThresholds }) };
}

interface Counts {
  events: number;
  sessions: number;
  openings: number;
}

type Values = Readonly<Record<string, unknown>>;

type Ask = <Data>(query: string, variables?: Values) => Promise<Data>;

/**
 * Returns a function that sends an operation. The function rejects with the first error or user error of the
 * answer.
 */
function createAsk({ url, token }: Pick<DemoOptions, 'url' | 'token'>): Ask {
  return async <Data>(query: string, variables: Values = {}) => {
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
  };
}

/** Creates visitors without any traffic. Every second visitor has a limit. */
function createVisitors(count: number): readonly Visitor[] {
  return Array.from({ length: count }, (_, n) => ({
    userId: `visitor-${n + 1}`,
    page: undefined,
    views: 0,
    clicks: 0,
    notifications: 0,
    limit: n % 2 === 0 ? { ...pick(limits), userLimitId: `limit-${n + 1}` } : undefined,
    uses: [],
    used: 0,
  }));
}

/** Creates the visitors and their limits on the server. */
async function registerVisitors(ask: Ask, visitors: readonly Visitor[]): Promise<void> {
  await ask(
    'mutation ($users: [UpsertUserInput!]!) { upsertUsers(input: { users: $users }) { userErrors { message } } }',
    { users: visitors.map(({ userId }) => ({ userId, patch: {} })) },
  );
  for (const { userId, limit } of visitors) {
    if (!limit) continue;
    const input = { ...limit, userId, brandId: 'demo', value: String(limit.value) };
    await ask(
      'mutation ($input: CreateUserLimitInput!) { createUserLimit(input: $input) { userErrors { message } } }',
      { input },
    );
  }
}

/**
 * Starts `work` at a constant rate, without waiting for earlier calls of `work`. Resolves when all calls have
 * ended. After the first failure it starts no more calls and rejects with that failure.
 */
async function repeatAtRate(
  { rate, forMs }: Pick<DemoOptions, 'rate' | 'forMs'>,
  work: () => Promise<void>,
  onProgress: (part: number) => void,
): Promise<void> {
  const startedAt = performance.now();
  const running = new Set<Promise<void>>();
  let failure: unknown;
  for (let n = 0; ; n += 1) {
    const dueMs = (n * 1000) / rate;
    if (dueMs >= forMs || failure !== undefined) break;
    const waitMs = startedAt + dueMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    const task = work().catch((error: unknown) => {
      failure ??= error;
    });
    running.add(task);
    void task.then(() => running.delete(task));
    onProgress(dueMs / forMs);
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure;
  onProgress(1);
}

/** Sends one action of a random visitor. Counts the action after the server has acknowledged it. */
async function act(ask: Ask, visitors: readonly Visitor[], counts: Counts): Promise<void> {
  const visitor = pick(visitors);
  const chance = Math.random();
  if (visitor.page !== undefined && visitor.limit && chance < 0.1) {
    await spendLimit(ask, visitor, visitor.limit);
  } else if (visitor.page === undefined || chance < 0.75) {
    if (visitor.page === undefined) counts.sessions += 1;
    await viewNextPage(ask, visitor);
  } else if (chance < 0.85) {
    await record(ask, { userId: visitor.userId, name: visitor.page, activityType: 'click' });
    visitor.clicks += 1;
  } else if (chance < 0.95) {
    await ask(
      'mutation ($input: SendNotificationInput!) { sendNotification(input: $input) { userErrors { message } } }',
      { input: { userId: visitor.userId, content: { title: pick(news) } } },
    );
    visitor.notifications += 1;
  } else {
    await ask('mutation ($input: OpenInboxInput!) { openInbox(input: $input) { userErrors { message } } }', {
      input: { userId: visitor.userId },
    });
    counts.openings += 1;
  }
  counts.events += 1;
}

/** Uses 20 to 50 % of the value of a limit. */
async function spendLimit(ask: Ask, visitor: Visitor, { userLimitId, value }: VisitorLimit): Promise<void> {
  const amount = Math.round(value * (0.2 + 0.3 * Math.random()));
  const { updateUserLimitProgress } = await ask<{ updateUserLimitProgress: { userLimit: VisibleLimit } }>(
    `mutation ($input: UpdateUserLimitProgressInput!) {
       updateUserLimitProgress(input: $input) { userLimit { progress } userErrors { message } } }`,
    { input: { userLimitId, amount: String(amount) } },
  );
  visitor.used += amount;
  visitor.uses.push(Number(updateUserLimitProgress.userLimit.progress));
}

async function viewNextPage(ask: Ask, visitor: Visitor): Promise<void> {
  const { userId, page: current } = visitor;
  const page = current === undefined ? 'Home' : pick(site[current] ?? ['Home']);
  // A visitor may leave the site after any page. After the page Checkout, every visitor leaves.
  visitor.page = page === 'Checkout' || Math.random() < 0.1 ? undefined : page;
  await record(ask, { userId, name: page, path: `/${page.toLowerCase()}` });
  visitor.views += 1;
}

const record = (ask: Ask, input: Values) =>
  ask(
    'mutation ($input: RecordPageViewInput!) { recordPageView(input: $input) { userErrors { message } } }',
    {
      input,
    },
  );

/** Compares the acknowledged events with the current numbers of the server. */
async function compare(
  ask: Ask,
  visitors: readonly Visitor[],
  { from, limitThresholds }: Pick<DemoOptions, 'limitThresholds'> & { readonly from: Date },
): Promise<readonly Check[]> {
  const shown = await shownTotals(ask, visitors);
  const buckets = await shownBuckets(ask, from);
  const sum = (countOf: (bucket: VisibleBucket) => number) =>
    buckets.reduce((total, bucket) => total + countOf(bucket), 0);
  const total = (countOf: (visitor: Visitor) => number) =>
    visitors.reduce((count, visitor) => count + countOf(visitor), 0);
  const views = total((visitor) => visitor.views);
  const notifications = total((visitor) => visitor.notifications + warnings(visitor, limitThresholds));
  return [
    { what: 'page views in the stats', expected: views, found: shown.views },
    { what: 'used of limits', expected: total((visitor) => visitor.used), found: shown.used },
    { what: 'notifications', expected: notifications, found: shown.notifications },
    { what: 'unseen on the badges', expected: shown.listedUnseen, found: shown.unseen },
    { what: 'page views in the metrics', expected: views, found: sum((bucket) => bucket.pageViewCount) },
    { what: 'clicks in the metrics', expected: total((visitor) => visitor.clicks), found: sum(clicksIn) },
    // The numbers of unique users of two days cannot be added, so a demo that runs past midnight does not
    // check them.
    ...(buckets.length === 1
      ? [
          {
            what: 'unique users in the metrics',
            expected: total((visitor) => Number(visitor.views + visitor.clicks > 0)),
            found: sum((bucket) => bucket.uniqueUsers),
          },
        ]
      : []),
  ];
}

/**
 * Computes how many notifications about the limit the user must have received. A use of the limit causes at
 * most one notification, for the highest threshold that it reached. Each threshold notifies once.
 */
function warnings({ limit, uses }: Visitor, limitThresholds: DemoOptions['limitThresholds']): number {
  if (!limit) return 0;
  const reached = (use: number) =>
    limitThresholds[limit.type].findLast((percent) => use * 100 >= percent * limit.value);
  return new Set(uses.flatMap((use) => reached(use) ?? [])).size;
}

/** Reads the numbers that the server shows for each visitor, and adds them. */
async function shownTotals(ask: Ask, visitors: readonly Visitor[]) {
  const totals = { views: 0, used: 0, notifications: 0, unseen: 0, listedUnseen: 0 };
  for (const { userId } of visitors) {
    const { user } = await ask<{ user: VisibleUser }>(
      `query ($userId: ID!) { user(userId: $userId) { badge { unseen } stats { pageViewCount } limits { progress }
         notifications(first: 100) { totalCount nodes { seenAt } } } }`,
      { userId },
    );
    totals.views += user.stats.pageViewCount;
    totals.used += user.limits.reduce((sum, { progress }) => sum + Number(progress), 0);
    totals.notifications += user.notifications.totalCount;
    // Unseen notifications are compared only if all notifications of the user fit on one page.
    if (user.notifications.totalCount > 100) continue;
    totals.unseen += user.badge.unseen;
    totals.listedUnseen += user.notifications.nodes.filter(({ seenAt }) => seenAt === null).length;
  }
  return totals;
}

/** Reads the daily metrics of the tenant since the start of the traffic. */
async function shownBuckets(ask: Ask, from: Date): Promise<readonly VisibleBucket[]> {
  const { activityMetrics } = await ask<{ activityMetrics: readonly VisibleBucket[] }>(
    `query ($from: DateTime!) { activityMetrics(range: { from: $from }, granularity: DAY) {
       uniqueUsers pageViewCount byType { activityType count } } }`,
    { from: from.toISOString() },
  );
  return activityMetrics;
}

const clicksIn = (bucket: VisibleBucket) =>
  bucket.byType.find(({ activityType }) => activityType === 'click')?.count ?? 0;

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
 * Repeats the checks until every number is right or the time is over. The server applies and counts events a
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

/** Returns a line with a summary of the traffic, and a table of the checks. */
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
