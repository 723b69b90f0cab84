/** One HTTP request, which consists of a body and of the tokens that the connections use in turn. */
export interface LoadRequest {
  readonly body: string;
  /** Connection i sends token i modulo the number of tokens. */
  readonly tokens: readonly string[];
  /** Text that the first answer must contain. The other answers must have the same length. */
  readonly expect: string;
}

/** The number of views in one call of `recordPageViews`. */
export const viewsPerCall = 100;

const view = { name: 'Pricing', path: '/pricing?plan=team', subjectId: 'product-42' };

const graphQL = (query: string, variables: object) => JSON.stringify({ query, variables });

export const recordPageView = graphQL(
  `mutation ($input: RecordPageViewInput!) {
  recordPageView(input: $input) { eventId userErrors { code message path } }
}`,
  { input: view },
);

export const recordPageViews = graphQL(
  `mutation ($input: RecordPageViewsInput!) {
  recordPageViews(input: $input) { accepted eventIds userErrors { code message path } }
}`,
  { input: { views: Array.from({ length: viewsPerCall }, (_, n) => ({ ...view, name: `Page ${n % 20}` })) } },
);

/** Text in the answer of every server if the request succeeded. */
export const noErrors = '"userErrors":[]';

export const sendNotification = (userId: string) =>
  graphQL(
    `mutation ($input: SendNotificationInput!) {
  sendNotification(input: $input) { notificationId userErrors { code message path } }
}`,
    {
      input: {
        userId,
        content: { title: 'Your order is on its way', body: 'It arrives tomorrow.', actionUrl: '/orders/42' },
      },
    },
  );

export const upsertUsers = (userIds: readonly string[]) =>
  graphQL(
    'mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) { createdCount userErrors { code message } } }',
    {
      input: { users: userIds.map((userId) => ({ userId, patch: { canReceiveNotifications: true } })) },
    },
  );

export const watchBadge =
  'subscription { badgeChanged { kind cause badge { key unseen unread version display } } }';

/** Returns a request for stats, as a dashboard sends it. */
export const userStats = (userId: string, window: object) =>
  graphQL(
    `query ($userId: ID!, $window: StatsWindowInput) {
  user(userId: $userId) {
    stats(window: $window) {
      pageViewCount uniquePageCount timeOnSiteSeconds sessionCount activeDayCount
      topPages(first: 5) { name views lastViewedAt }
      byDay { date pageViewCount timeOnSiteSeconds }
    }
  }
}`,
    { userId, window },
  );

/** Returns a request for activity, as a chart sends it. */
export const activityMetrics = (range: object) =>
  graphQL(
    `query ($range: DateTimeRangeInput!) {
  activityMetrics(range: $range, granularity: HOUR) {
    start end uniqueUsers pageViewCount byType { activityType count }
  }
}`,
    { range },
  );

/** Returns a request for limits, as a page of limits sends it. */
export const userLimits = (userId: string) =>
  graphQL(
    `query ($userId: ID!) {
  user(userId: $userId) {
    limits {
      userLimitId type period status unit currencyCode value progress remaining percentUsed nextResetAt resetOverdue
    }
  }
}`,
    { userId },
  );
