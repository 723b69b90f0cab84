import whoAmI from './examples/1-who-am-i.graphql?raw';
import watchTheBadge from './examples/2-watch-the-badge.graphql?raw';
import recordAPageView from './examples/3-record-a-page-view.graphql?raw';
import sendANotification from './examples/4-send-a-notification.graphql?raw';
import myInbox from './examples/5-my-inbox.graphql?raw';
import openTheInbox from './examples/6-open-the-inbox.graphql?raw';
import stats from './examples/7-stats.graphql?raw';
import myPreferences from './examples/8-my-preferences.graphql?raw';
import publishAnItem from './examples/9-publish-an-item.graphql?raw';
import viewItems from './examples/10-view-items.graphql?raw';
import followMyInbox from './examples/11-follow-my-inbox.graphql?raw';
import sendToMany from './examples/12-send-to-many.graphql?raw';
import setALimit from './examples/13-set-a-limit.graphql?raw';
import myLimits from './examples/14-my-limits.graphql?raw';
import theMetricsOfTheSite from './examples/15-the-metrics-of-the-site.graphql?raw';
import watchTheMetrics from './examples/16-watch-the-metrics.graphql?raw';
import { emptyHeaders } from './headers.ts';

/** A tab of the playground in the format of GraphiQL. Variables and headers are JSON text. */
export interface ExampleTab {
  readonly query: string;
  readonly variables: string;
  readonly headers: string;
}

/**
 * Returns the tabs of the examples, in order. Each step has one tab. The comment of an example says if the
 * example needs a service token.
 */
export function exampleTabs(): ExampleTab[] {
  const userId = 'alice';
  const tab = (query: string, variables: object): ExampleTab => ({
    query: query.trimEnd(),
    variables: JSON.stringify(variables, null, 2),
    headers: emptyHeaders,
  });
  return [
    tab(whoAmI, {}),
    tab(watchTheBadge, { keys: ['notifications', 'items:news'] }),
    tab(recordAPageView, { input: { name: 'Pricing', path: '/pricing', occurredAt: '{{now}}' } }),
    tab(sendANotification, {
      input: {
        userId,
        content: {
          category: 'general',
          severity: 'NORMAL',
          title: 'Your report is ready',
          body: 'Twelve pages.',
        },
      },
    }),
    tab(myInbox, { first: 10 }),
    tab(openTheInbox, { upTo: null }),
    tab(stats, { window: { days: 7, mode: 'CALENDAR' }, top: 5 }),
    tab(myPreferences, { input: { categories: [{ category: 'general', enabled: false }] } }),
    tab(publishAnItem, {
      input: { collection: 'news', items: [{ itemId: 'version-2', title: 'Version 2 is out' }] },
    }),
    tab(viewItems, { input: { collection: 'news', itemIds: ['version-2'] } }),
    tab(followMyInbox, { after: null }),
    tab(sendToMany, {
      input: {
        userIds: [userId, 'nobody'],
        content: { category: 'news', title: 'We are open on Sunday' },
        idempotencyKey: 'sunday',
      },
    }),
    tab(setALimit, {
      limit: {
        userId,
        userLimitId: `deposits-of-${userId}`,
        brandId: 'shop',
        type: 'DEPOSIT',
        period: 'CALENDAR_WEEK',
        value: '100.00',
        currencyCode: 'EUR',
      },
      used: { userLimitId: `deposits-of-${userId}`, amount: '40.00' },
    }),
    tab(myLimits, { filter: { types: ['DEPOSIT'] } }),
    tab(theMetricsOfTheSite, {
      range: { from: '{{weekAgo}}' },
      granularity: 'DAY',
      timeZone: 'Europe/Berlin',
    }),
    tab(watchTheMetrics, { granularity: 'MINUTE' }),
  ];
}
