// @module-tag end-to-end
import { buildSchema, isObjectType } from 'graphql';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { topics } from './events/topic.ts';
import { access, accessOf, enforceAccess } from './graphql/access.ts';
import { getSchema } from './graphql/schema.ts';
import type { TestApp } from './testing/app.ts';
import { internals, type Probe, startProbe, tables } from './testing/bad-input.ts';

let probe: Probe;
let app: TestApp;
beforeAll(async () => {
  probe = await startProbe();
  app = probe.app;
});
afterAll(() => app.stop());

/** Every field of the schema, as a pair of type and field. */
const fields = Object.values(getSchema().getTypeMap())
  .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
  .flatMap((type) =>
    isObjectType(type) ? Object.keys(type.getFields()).map((field) => [type.name, field] as const) : [],
  );
const rootFields = fields
  .filter(([type]) => ['Query', 'Mutation', 'Subscription'].includes(type))
  .map((names) => names.join('.'));

describe('the access table', () => {
  it.each(fields)('has a rule for %s.%s', (type, field) => {
    expect(accessOf(type, field)).toMatch(/^(token|target|service|admin|parent)$/);
  });

  it('has a separate rule for every root field', () => {
    for (const field of rootFields) expect(access[field]).toMatch(/^(token|target|service|admin)$/);
  });

  it('has no rule for a field outside the schema', () => {
    const known = new Set(fields.flatMap(([type, field]) => [type, `${type}.${field}`]));
    expect(Object.keys(access).filter((name) => !known.has(name))).toEqual([]);
  });

  it('prevents the start if a field has no rule', () => {
    const schema = buildSchema('type Query { viewer: String secrets: String }');
    expect(() => enforceAccess(schema)).toThrow(
      'Query.secrets has no rule. Add it to src/graphql/access.ts.',
    );
  });
});

describe('a caller without access', () => {
  /**
   * The tokens of five callers: another user of alice's tenant, a user named alice of another tenant, a
   * service and an admin of that other tenant, and a service of alice's tenant.
   */
  const tokens = { mallory: '', namesake: '', stranger: '', foreignAdmin: '', shop: '' };
  const ids = {
    user: '',
    badge: '',
    notification: '',
    pageView: '',
    item: '',
    itemCursor: '',
    limit: '',
    limitCursor: '',
    deadLetter: '',
    notificationCursor: '',
    pageViewCursor: '',
    deadLetterCursor: '',
    userCursor: '',
    streamCursor: '',
  };
  let before: Awaited<ReturnType<typeof tables>>;

  beforeAll(async () => {
    tokens.mallory = await app.token({ subject: 'mallory' });
    tokens.namesake = await app.token({ tenantId: 'other' });
    tokens.stranger = await app.token({ tenantId: 'other', role: 'service', subject: 'shop' });
    tokens.foreignAdmin = await app.token({ tenantId: 'other', role: 'admin', subject: 'root' });
    tokens.shop = await app.token({ role: 'service', subject: 'shop' });
    for (const token of [tokens.mallory, tokens.namesake]) await app.send(token, '{ viewer { id } }');
    const { json } = await probe.run(`{ viewer { id badge { id }
      notifications { edges { cursor node { id } } } pageViews { edges { cursor node { id } } }
      limit(userLimitId: "limit-1") { id history { edges { cursor } } } } }`);
    const { viewer } = json.data as { viewer: Viewer };
    ids.user = viewer.id;
    ids.badge = viewer.badge.id;
    ids.notification = viewer.notifications.edges[0].node.id;
    ids.notificationCursor = viewer.notifications.edges[0].cursor;
    ids.pageView = viewer.pageViews.edges[0].node.id;
    ids.pageViewCursor = viewer.pageViews.edges[0].cursor;
    await app.send(
      tokens.shop,
      'mutation { publishItems(input: { collection: "news", items: [{ itemId: "article" }] }) { items { id } } }',
    );
    const published = await app.send(
      tokens.shop,
      '{ items(collection: "news") { edges { cursor node { id } } } }',
    );
    const [article] = (published.data as unknown as { items: Viewer['notifications'] }).items.edges;
    ids.item = article.node.id;
    ids.itemCursor = article.cursor;
    ids.limit = viewer.limit.id;
    ids.limitCursor = viewer.limit.history.edges[0].cursor;
    const value = Buffer.from('poison');
    await app.runtime.backends.log.send([{ topic: topics.userActivity, key: null, value }]);
    const admin = await app.token({ role: 'admin', subject: 'root' });
    await vi.waitFor(async () => {
      const { data } = await app.send(admin, '{ deadLetters { edges { cursor node { id } } } }');
      const [edge] = (data as unknown as { deadLetters: Viewer['notifications'] }).deadLetters.edges;
      ids.deadLetter = edge.node.id;
      ids.deadLetterCursor = edge.cursor;
    });
    await vi.waitFor(async () => expect(await waitingToBeSent()).toBe(0));
    // The position of the metrics group moves when the worker writes the metrics.
    await vi.waitFor(async () => expect((await app.runtime.backends.log.health()).lag).toBe(0n), 5_000);
    const { data } = await app.send(admin, '{ users { edges { cursor } } }');
    ids.userCursor = (data as unknown as { users: Viewer['notifications'] }).users.edges[0].cursor;
    await vi.waitFor(async () => expect((await app.runtime.backends.log.health()).lag).toBe(0n));
    const start = 'subscription { notificationStream { ... on StreamReset { resumeFrom } } }';
    const begun = await ask(await app.token(), start, {});
    ids.streamCursor = (
      begun.data as unknown as { notificationStream: { resumeFrom: string } }
    ).notificationStream.resumeFrom;
    before = await tables(app.connectionString);
  });
  const waitingToBeSent = () => app.runtime.backends.outbox.depth();
  interface Viewer {
    readonly id: string;
    readonly badge: { readonly id: string };
    readonly notifications: {
      readonly edges: readonly [{ readonly cursor: string; readonly node: { readonly id: string } }];
    };
    readonly pageViews: Viewer['notifications'];
    readonly limit: { readonly id: string; readonly history: Viewer['notifications'] };
  }

  afterEach(async () => {
    expect(await tables(app.connectionString)).toEqual(before);
  });

  /** Returns the first answer to an operation, over HTTP or over WebSocket. */
  async function ask(token: string, query: string, variables: Record<string, unknown>) {
    if (!query.startsWith('subscription')) return app.send(token, query, variables);
    for await (const result of app.client(token).iterate({ query, variables })) return result;
    throw new Error('no answer');
  }

  const counts =
    'badge { unseen } notifications { totalCount } pageViews { totalCount } stats { pageViewCount } limits { id } limit(userLimitId: "limit-1") { id }';
  const nothing = {
    badge: { unseen: 0 },
    notifications: { totalCount: 0 },
    pageViews: { totalCount: 0 },
    stats: { pageViewCount: 0 },
    limits: [],
    limit: null,
  };
  const viewer = `{ viewer { userId ${counts} } }`;
  const user = `query ($id: ID!) { user(userId: $id) { ${counts} } }`;
  const node = 'query ($id: ID!) { node(id: $id) { id } }';
  const lists = `query ($notifications: String, $pageViews: String) { viewer {
    notifications(after: $notifications) { nodes { id } } pageViews(after: $pageViews) { nodes { id } } } }`;
  const record = 'mutation ($i: RecordPageViewInput!) { recordPageView(input: $i) { eventId } }';
  const recordMany = 'mutation ($i: RecordPageViewsInput!) { recordPageViews(input: $i) { eventIds } }';
  const send =
    'mutation ($i: SendNotificationInput!) { sendNotification(input: $i) { notificationId userErrors { code } } }';
  const sendMany =
    'mutation ($i: SendNotificationsInput!) { sendNotifications(input: $i) { accepted notificationIds userErrors { code path } } }';
  const open = 'mutation ($i: OpenInboxInput!) { openInbox(input: $i) { badge { id } userErrors { code } } }';
  const mark =
    'mutation ($i: MarkNotificationsInput!) { markNotifications(input: $i) { affectedCount userErrors { code } } }';
  const snooze =
    'mutation ($i: SnoozeNotificationInput!) { snoozeNotification(input: $i) { badge { id } userErrors { code } } }';
  const cancel =
    'mutation ($id: ID!) { cancelScheduledNotification(id: $id) { badge { id } userErrors { code } } }';
  const reschedule =
    'mutation ($i: RescheduleNotificationInput!) { rescheduleNotification(input: $i) { badge { id } userErrors { code } } }';
  const soon = new Date(Date.now() + 60_000).toISOString();
  const notFound = { badge: null, userErrors: [{ code: 'NOT_FOUND' }] };
  const upsert = 'mutation ($i: UpsertUsersInput!) { upsertUsers(input: $i) { createdCount } }';
  const prefer = `mutation ($i: UpdatePreferencesInput!) {
    updatePreferences(input: $i) { preferences { enabled } badge { id } userErrors { code } } }`;
  const users = 'query ($after: String) { users(after: $after) { totalCount nodes { userId } } }';
  const importRange = `mutation {
    importUserRange(input: { fromId: 1, toIdExclusive: 3, patch: {} }) { createdCount } }`;
  const reconcile = 'mutation ($id: ID!) { reconcileBadge(userId: $id) { drift userErrors { code } } }';
  const erase = 'mutation ($id: ID!) { eraseUser(userId: $id) { erasedUserId userErrors { code } } }';
  const choices = 'preferences { enabled categories { category } }';
  const watch = 'subscription ($id: ID) { badgeChanged(userId: $id) { badge { unseen } } }';
  const stream =
    'subscription ($id: ID, $after: String) { notificationStream(userId: $id, after: $after) { __typename } }';
  const begun = { data: { notificationStream: { __typename: 'StreamReset' } } };
  const status = '{ systemStatus { version outboxDepth } }';
  const metrics =
    'query ($from: DateTime!) { activityMetrics(range: { from: $from }, granularity: DAY) { pageViewCount } }';
  const watchMetrics = 'subscription { activityMetricsChanged(granularity: DAY) { pageViewCount } }';
  const letters = `query ($after: String) { deadLetters(after: $after) { totalCount nodes { payload } } }`;
  const retry =
    'mutation ($ids: [ID!]!) { retryDeadLetters(ids: $ids) { retriedCount userErrors { code } } }';
  const items =
    'query ($after: String) { items(collection: "news", after: $after) { totalCount badge { unseen } } }';
  const publish =
    'mutation ($i: PublishItemsInput!) { publishItems(input: $i) { items { id } userErrors { code } } }';
  const retract =
    'mutation ($i: RetractItemsInput!) { retractItems(input: $i) { items { id } userErrors { code } } }';
  const see = 'mutation ($i: RecordItemViewsInput!) { recordItemViews(input: $i) { eventId } }';
  const article = { collection: 'news', itemIds: ['article'] };
  const createLimit =
    'mutation ($i: CreateUserLimitInput!) { createUserLimit(input: $i) { userLimit { id } userErrors { code } } }';
  const useLimit = `mutation { updateUserLimitProgress(input: { userLimitId: "limit-1", amount: "1" }) {
    userLimit { id } userErrors { code } } }`;
  const resetLimit =
    'mutation { resetUserLimit(input: { userLimitId: "limit-1" }) { userLimit { id } userErrors { code } } }';
  const ingest =
    'mutation ($events: [JSONObject!]!) { ingestLimitEvents(events: $events) { results { outcome } } }';
  const limitOf = (userId: string) => ({
    i: { userId, brandId: 'b', type: 'BET', period: 'DAY', value: '1' },
  });
  const noLimit = { userLimit: null, userErrors: [{ code: 'NOT_FOUND' }] };
  const watchLimits = 'subscription ($id: ID) { userLimitChanged(userId: $id) { id } }';
  const content = { title: 'x' };
  const noUser = { userErrors: [{ code: 'USER_NOT_FOUND' }] };

  type Attempt = [
    field: string,
    who: keyof typeof tokens,
    query: string,
    variables: () => Record<string, unknown>,
    expected: { readonly data: unknown } | { readonly code: string },
  ];
  const forbidden = { code: 'FORBIDDEN' };
  const invalid = { code: 'BAD_USER_INPUT' };
  const attempts: Attempt[] = [
    ['Query.viewer', 'mallory', viewer, () => ({}), { data: { viewer: { userId: 'mallory', ...nothing } } }],
    ['Query.viewer', 'namesake', viewer, () => ({}), { data: { viewer: { userId: 'alice', ...nothing } } }],
    ['Query.viewer', 'stranger', viewer, () => ({}), { data: { viewer: null } }],
    ['Query.viewer', 'namesake', lists, () => ({ notifications: ids.notificationCursor }), invalid],
    ['Query.viewer', 'mallory', lists, () => ({ pageViews: ids.pageViewCursor }), invalid],
    ['Query.user', 'mallory', user, () => ({ id: 'alice' }), { data: { user: null } }],
    ['Query.user', 'namesake', user, () => ({ id: 'alice' }), { data: { user: nothing } }],
    [
      'Query.user',
      'mallory',
      `query ($id: ID!) { user(userId: $id) { ${choices} } }`,
      () => ({ id: 'alice' }),
      { data: { user: null } },
    ],
    ['Query.user', 'stranger', user, () => ({ id: 'bob' }), { data: { user: null } }],
    ['Query.user', 'foreignAdmin', user, () => ({ id: 'bob' }), { data: { user: null } }],
    ['Query.users', 'mallory', users, () => ({}), forbidden],
    [
      'Query.users',
      'stranger',
      users,
      () => ({}),
      { data: { users: { totalCount: 1, nodes: [{ userId: 'alice' }] } } },
    ],
    ['Query.users', 'stranger', users, () => ({ after: ids.userCursor }), invalid],
    ['Query.node', 'mallory', node, () => ({ id: ids.user }), { data: { node: null } }],
    ['Query.node', 'mallory', node, () => ({ id: ids.badge }), { data: { node: null } }],
    ['Query.node', 'mallory', node, () => ({ id: ids.notification }), { data: { node: null } }],
    ['Query.node', 'mallory', node, () => ({ id: ids.pageView }), { data: { node: null } }],
    ['Query.node', 'namesake', node, () => ({ id: ids.notification }), { data: { node: null } }],
    ['Query.node', 'namesake', node, () => ({ id: ids.pageView }), { data: { node: null } }],
    ['Query.node', 'foreignAdmin', node, () => ({ id: ids.notification }), { data: { node: null } }],
    ['Query.node', 'foreignAdmin', node, () => ({ id: ids.pageView }), { data: { node: null } }],
    ['Query.node', 'mallory', node, () => ({ id: ids.deadLetter }), { data: { node: null } }],
    ['Query.node', 'shop', node, () => ({ id: ids.deadLetter }), { data: { node: null } }],
    ['Query.node', 'foreignAdmin', node, () => ({ id: ids.deadLetter }), { data: { node: null } }],
    ['Query.systemStatus', 'mallory', status, () => ({}), forbidden],
    ['Query.systemStatus', 'shop', status, () => ({}), forbidden],
    ['Query.activityMetrics', 'mallory', metrics, () => ({ from: new Date().toISOString() }), forbidden],
    [
      'Query.activityMetrics',
      'stranger',
      metrics,
      () => ({ from: new Date().toISOString() }),
      { data: { activityMetrics: [{ pageViewCount: 0 }] } },
    ],
    ['Subscription.activityMetricsChanged', 'mallory', watchMetrics, () => ({}), forbidden],
    [
      'Subscription.activityMetricsChanged',
      'stranger',
      watchMetrics,
      () => ({}),
      { data: { activityMetricsChanged: { pageViewCount: 0 } } },
    ],
    ['Query.deadLetters', 'mallory', letters, () => ({}), forbidden],
    ['Query.deadLetters', 'shop', letters, () => ({}), forbidden],
    [
      'Query.deadLetters',
      'foreignAdmin',
      letters,
      () => ({}),
      { data: { deadLetters: { totalCount: 0, nodes: [] } } },
    ],
    ['Query.deadLetters', 'foreignAdmin', letters, () => ({ after: ids.deadLetterCursor }), invalid],
    ['Query.node', 'namesake', node, () => ({ id: ids.item }), { data: { node: null } }],
    ['Query.node', 'foreignAdmin', node, () => ({ id: ids.item }), { data: { node: null } }],
    [
      'Query.items',
      'namesake',
      items,
      () => ({}),
      { data: { items: { totalCount: 0, badge: { unseen: 0 } } } },
    ],
    ['Query.items', 'stranger', items, () => ({}), { data: { items: { totalCount: 0, badge: null } } }],
    ['Query.items', 'namesake', items, () => ({ after: ids.itemCursor }), invalid],
    [
      'Mutation.publishItems',
      'mallory',
      publish,
      () => ({ i: { collection: 'news', items: [{ itemId: 'x' }] } }),
      forbidden,
    ],
    ['Mutation.retractItems', 'mallory', retract, () => ({ i: article }), forbidden],
    [
      'Mutation.retractItems',
      'stranger',
      retract,
      () => ({ i: article }),
      { data: { retractItems: { items: [], userErrors: [{ code: 'NOT_FOUND' }] } } },
    ],
    ['Mutation.recordItemViews', 'mallory', see, () => ({ i: { userId: 'alice', ...article } }), forbidden],
    ['Mutation.recordItemViews', 'stranger', see, () => ({ i: article }), invalid],
    ['Mutation.recordPageView', 'mallory', record, () => ({ i: { userId: 'alice', name: 'x' } }), forbidden],
    ['Mutation.recordPageView', 'mallory', record, () => ({ i: { userId: 'nobody', name: 'x' } }), forbidden],
    ['Mutation.recordPageView', 'stranger', record, () => ({ i: { name: 'x' } }), invalid],
    [
      'Mutation.recordPageViews',
      'mallory',
      recordMany,
      () => ({ i: { views: [{ name: 'x' }, { userId: 'alice', name: 'x' }] } }),
      forbidden,
    ],
    ['Mutation.sendNotification', 'mallory', send, () => ({ i: { userId: 'alice', content } }), forbidden],
    ['Mutation.sendNotification', 'mallory', send, () => ({ i: { userId: 'mallory', content } }), forbidden],
    [
      'Mutation.sendNotification',
      'stranger',
      send,
      () => ({ i: { userId: 'bob', content } }),
      { data: { sendNotification: { notificationId: null, ...noUser } } },
    ],
    [
      'Mutation.sendNotifications',
      'mallory',
      sendMany,
      () => ({ i: { userIds: ['mallory', 'alice'], content } }),
      forbidden,
    ],
    [
      'Mutation.sendNotifications',
      'stranger',
      sendMany,
      // The caller's tenant has no users with these ids. The default tenant has a user bob.
      () => ({ i: { userIds: ['bob', 'nobody'], content, idempotencyKey: 'k' } }),
      {
        data: {
          sendNotifications: {
            accepted: 0,
            notificationIds: [],
            userErrors: [
              { code: 'USER_NOT_FOUND', path: ['input', 'userIds', '0'] },
              { code: 'USER_NOT_FOUND', path: ['input', 'userIds', '1'] },
            ],
          },
        },
      },
    ],
    ['Mutation.openInbox', 'mallory', open, () => ({ i: { userId: 'alice' } }), forbidden],
    ['Mutation.openInbox', 'mallory', open, () => ({ i: { upTo: ids.notificationCursor } }), invalid],
    ['Mutation.openInbox', 'namesake', open, () => ({ i: { upTo: ids.notificationCursor } }), invalid],
    [
      'Mutation.openInbox',
      'stranger',
      open,
      () => ({ i: { userId: 'bob' } }),
      { data: { openInbox: { badge: null, ...noUser } } },
    ],
    [
      'Mutation.markNotifications',
      'mallory',
      mark,
      () => ({ i: { userId: 'alice', action: 'READ', filter: {} } }),
      forbidden,
    ],
    [
      'Mutation.markNotifications',
      'stranger',
      mark,
      () => ({ i: { userId: 'bob', action: 'READ', ids: [ids.notification] } }),
      { data: { markNotifications: { affectedCount: 0, ...noUser } } },
    ],
    [
      'Mutation.snoozeNotification',
      'mallory',
      snooze,
      () => ({ i: { id: ids.notification, until: soon } }),
      { data: { snoozeNotification: notFound } },
    ],
    [
      'Mutation.snoozeNotification',
      'foreignAdmin',
      snooze,
      () => ({ i: { id: ids.notification, until: soon } }),
      { data: { snoozeNotification: notFound } },
    ],
    ['Mutation.cancelScheduledNotification', 'mallory', cancel, () => ({ id: ids.notification }), forbidden],
    [
      'Mutation.cancelScheduledNotification',
      'foreignAdmin',
      cancel,
      () => ({ id: ids.notification }),
      { data: { cancelScheduledNotification: notFound } },
    ],
    [
      'Mutation.rescheduleNotification',
      'mallory',
      reschedule,
      () => ({ i: { id: ids.notification, scheduledFor: soon } }),
      forbidden,
    ],
    [
      'Mutation.rescheduleNotification',
      'foreignAdmin',
      reschedule,
      () => ({ i: { id: ids.notification, scheduledFor: soon } }),
      { data: { rescheduleNotification: notFound } },
    ],
    [
      'Mutation.upsertUsers',
      'mallory',
      upsert,
      () => ({ i: { users: [{ userId: 'mallory', patch: {} }] } }),
      forbidden,
    ],
    ['Mutation.updatePreferences', 'mallory', prefer, () => ({ i: { userId: 'alice' } }), forbidden],
    [
      'Mutation.updatePreferences',
      'mallory',
      prefer,
      () => ({ i: { userId: 'nobody', enabled: false } }),
      forbidden,
    ],
    [
      'Mutation.updatePreferences',
      'stranger',
      prefer,
      () => ({ i: { userId: 'bob', enabled: false } }),
      { data: { updatePreferences: { preferences: null, badge: null, ...noUser } } },
    ],
    ['Mutation.updatePreferences', 'stranger', prefer, () => ({ i: { enabled: false } }), invalid],
    ['Mutation.importUserRange', 'mallory', importRange, () => ({}), forbidden],
    ['Mutation.eraseUser', 'mallory', erase, () => ({ id: 'mallory' }), forbidden],
    ['Mutation.eraseUser', 'shop', erase, () => ({ id: 'alice' }), forbidden],
    [
      'Mutation.eraseUser',
      'foreignAdmin',
      erase,
      () => ({ id: 'bob' }),
      { data: { eraseUser: { erasedUserId: null, ...noUser } } },
    ],
    ['Mutation.reconcileBadge', 'mallory', reconcile, () => ({ id: 'mallory' }), forbidden],
    ['Mutation.reconcileBadge', 'shop', reconcile, () => ({ id: 'alice' }), forbidden],
    ['Mutation.retryDeadLetters', 'mallory', retry, () => ({ ids: [ids.deadLetter] }), forbidden],
    ['Mutation.retryDeadLetters', 'shop', retry, () => ({ ids: [ids.deadLetter] }), forbidden],
    [
      'Mutation.retryDeadLetters',
      'foreignAdmin',
      retry,
      () => ({ ids: [ids.deadLetter] }),
      { data: { retryDeadLetters: { retriedCount: 0, userErrors: [{ code: 'NOT_FOUND' }] } } },
    ],
    ['Query.node', 'mallory', node, () => ({ id: ids.limit }), { data: { node: null } }],
    ['Query.node', 'namesake', node, () => ({ id: ids.limit }), { data: { node: null } }],
    ['Query.node', 'foreignAdmin', node, () => ({ id: ids.limit }), { data: { node: null } }],
    ['Mutation.createUserLimit', 'mallory', createLimit, () => limitOf('alice'), forbidden],
    ['Mutation.createUserLimit', 'mallory', createLimit, () => limitOf('mallory'), forbidden],
    [
      'Mutation.createUserLimit',
      'stranger',
      createLimit,
      () => limitOf('bob'),
      { data: { createUserLimit: { userLimit: null, ...noUser } } },
    ],
    ['Mutation.updateUserLimitProgress', 'mallory', useLimit, () => ({}), forbidden],
    [
      'Mutation.updateUserLimitProgress',
      'foreignAdmin',
      useLimit,
      () => ({}),
      { data: { updateUserLimitProgress: noLimit } },
    ],
    ['Mutation.resetUserLimit', 'mallory', resetLimit, () => ({}), forbidden],
    [
      'Mutation.resetUserLimit',
      'foreignAdmin',
      resetLimit,
      () => ({}),
      { data: { resetUserLimit: noLimit } },
    ],
    ['Mutation.ingestLimitEvents', 'mallory', ingest, () => ({ events: [{}] }), forbidden],
    ['Subscription.userLimitChanged', 'mallory', watchLimits, () => ({ id: 'alice' }), forbidden],
    ['Subscription.userLimitChanged', 'mallory', watchLimits, () => ({ id: 'nobody' }), forbidden],
    ['Subscription.userLimitChanged', 'stranger', watchLimits, () => ({}), invalid],
    ['Subscription.badgeChanged', 'mallory', watch, () => ({ id: 'alice' }), forbidden],
    ['Subscription.badgeChanged', 'mallory', watch, () => ({ id: 'nobody' }), forbidden],
    [
      'Subscription.badgeChanged',
      'namesake',
      watch,
      () => ({ id: 'alice' }),
      { data: { badgeChanged: { badge: { unseen: 0 } } } },
    ],
    [
      'Subscription.badgeChanged',
      'stranger',
      watch,
      () => ({ id: 'bob' }),
      { data: { badgeChanged: { badge: { unseen: 0 } } } },
    ],
    ['Subscription.badgeChanged', 'stranger', watch, () => ({}), invalid],
    ['Subscription.notificationStream', 'mallory', stream, () => ({ id: 'alice' }), forbidden],
    ['Subscription.notificationStream', 'mallory', stream, () => ({ id: 'nobody' }), forbidden],
    ['Subscription.notificationStream', 'mallory', stream, () => ({ after: ids.streamCursor }), invalid],
    ['Subscription.notificationStream', 'namesake', stream, () => ({ after: ids.streamCursor }), invalid],
    ['Subscription.notificationStream', 'namesake', stream, () => ({ id: 'alice' }), begun],
    ['Subscription.notificationStream', 'stranger', stream, () => ({ id: 'bob' }), begun],
    ['Subscription.notificationStream', 'stranger', stream, () => ({}), invalid],
  ];

  it('is tested with every root field', () => {
    expect(attempts.map(([field]) => field)).toEqual(expect.arrayContaining([...rootFields]));
  });

  it.each(attempts)(
    'gets no foreign data from %s with the token %s: %s',
    async (_, who, query, variables, expected) => {
      const answer = await ask(tokens[who], query, variables());
      if ('data' in expected) expect(answer.data).toEqual(expected.data);
      else expect(answer).toMatchObject({ errors: [{ extensions: { code: expected.code } }] });
      expect(JSON.stringify(answer.errors ?? '')).not.toMatch(internals);
    },
  );

  it('gets the same answer for an existing and for a missing user', async () => {
    for (const [query, variablesOf] of [
      [user, (id: string) => ({ id })],
      [open, (id: string) => ({ i: { userId: id } })],
      [prefer, (id: string) => ({ i: { userId: id, enabled: false } })],
    ] as const) {
      const [existing, missing] = [
        await ask(tokens.mallory, query, variablesOf('alice')),
        await ask(tokens.mallory, query, variablesOf('nobody')),
      ];
      expect(existing).toEqual(missing);
    }
  });

  it.each([
    [
      'service',
      'mallory',
      [
        'Mutation.sendNotification',
        'Mutation.publishItems',
        'Mutation.upsertUsers',
        'Mutation.ingestLimitEvents',
      ],
    ],
    ['admin', 'mallory', ['Query.deadLetters', 'Query.systemStatus', 'Mutation.retryDeadLetters']],
    ['admin', 'shop', ['Query.deadLetters', 'Mutation.retryDeadLetters']],
  ] as const)('gets FORBIDDEN from every field for the role %s with the token %s', (rule, who, some) => {
    const guarded = Object.keys(access).filter((name) => access[name] === rule);
    expect(guarded).toEqual(expect.arrayContaining([...some]));
    for (const field of guarded) {
      expect(
        attempts.some(([name, by, , , expected]) => name === field && by === who && expected === forbidden),
      ).toBe(true);
    }
  });
});

describe('tokens', () => {
  const now = Math.floor(Date.now() / 1000);
  const good = { sub: 'alice', tenant: 'default', role: 'user', exp: now + 3600 };
  const sign = (claims: object, key = app.config.auth.secret, alg = 'HS256') =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(new TextEncoder().encode(key));
  const unsigned = (header: object, claims: object) =>
    `${[header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;

  const bad: [what: string, token: () => string | Promise<string>, code?: number][] = [
    ['that are not a JWT', () => 'x'],
    ['of three empty parts', () => '..'],
    ['of 5000 characters', () => 'x'.repeat(5_000)],
    ['with alg none', () => unsigned({ alg: 'none' }, good)],
    ['with alg NoNe', () => unsigned({ alg: 'NoNe' }, good)],
    ['with an unsupported algorithm', () => sign(good, app.config.auth.secret, 'HS512')],
    ['signed with another secret', () => sign(good, 'another-secret-of-at-least-32-characters')],
    [
      'whose claims were changed',
      async () =>
        (await sign(good)).replace(
          /\.[^.]+\./,
          `.${Buffer.from(JSON.stringify({ ...good, sub: 'bob' })).toString('base64url')}.`,
        ),
    ],
    ['whose claims are a list', () => unsigned({ alg: 'HS256' }, [])],
    ['that have expired', () => sign({ ...good, exp: now - 1 }), 4403],
    ['that are not valid yet', () => sign({ ...good, nbf: now + 600 })],
    ['without an expiry', () => sign({ ...good, exp: undefined })],
    ['whose expiry is text', () => sign({ ...good, exp: String(now + 3600) as never })],
    ['without a subject', () => sign({ ...good, sub: undefined })],
    ['with an empty subject', () => sign({ ...good, sub: '' })],
    ['with a subject of 129 characters', () => sign({ ...good, sub: 'x'.repeat(129) })],
    ['with U+0000 in the subject', () => sign({ ...good, sub: 'alice\0' })],
    ['with a number for a subject', () => sign({ ...good, sub: 7 as never })],
    ['with a list for a subject', () => sign({ ...good, sub: ['alice'] as never })],
    ['with a slash in the tenant', () => sign({ ...good, tenant: 'a/b' })],
    ['with an empty tenant', () => sign({ ...good, tenant: '' })],
    ['with a list for a tenant', () => sign({ ...good, tenant: ['default'] })],
    ['with null for a tenant', () => sign({ ...good, tenant: null })],
    ['with a line break after the tenant', () => sign({ ...good, tenant: 'default\n' })],
    ['with an unknown role', () => sign({ ...good, role: 'root' })],
    ['with a list for a role', () => sign({ ...good, role: ['admin'] })],
    ['with a role named like a property of Object.prototype', () => sign({ ...good, role: 'constructor' })],
    ['with padding', async () => `${await sign(good)}=`],
    ['with a tab in the signature', async () => (await sign(good)).replace(/.$/, '\t$&')],
    ['of more than 8192 characters', () => sign({ ...good, more: 'x'.repeat(8_000) })],
  ];
  it.each(bad)('%s give no access over HTTP or WebSocket', async (_, token, code = 4401) => {
    const given = await token();
    const reply = await probe.request('{"query":"{ viewer { id } }"}', { token: given });
    expect(reply).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', json: {} });
    expect(reply.headers.get('www-authenticate')).toBe('Bearer');
    expect(await closingOf({ authorization: `Bearer ${given}` })).toMatchObject({ code });
  });

  it.each(['', 'Bearer', 'Bearer ', 'Basic YWxpY2U6eA==', 'Bearer a b', 'bearer\tx'])(
    'are not read from the header %j',
    async (authorization) => {
      const reply = await probe.request('{"query":"{ viewer { id } }"}', { headers: { authorization } });
      expect(reply).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    },
  );

  it('are refused before the server reads the body', async () => {
    const reply = await probe.request('x'.repeat(3_000_000), { token: 'x' });
    expect(reply).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });

  it('without tenant and role belong to a user of the default tenant', async () => {
    const token = await sign({ sub: 'alice', exp: now + 3600 });
    const { json } = await probe.run('{ viewer { notifications { totalCount } } }', {}, token);
    expect(json.data).toEqual({ viewer: { notifications: { totalCount: 1 } } });
  });

  async function closingOf(payload: unknown): Promise<{ code: number; reason: string }> {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    socket.once('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload })));
    return new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }
});

describe('two users with the same name in two tenants', () => {
  it('see only their own badges, even while both are watching', async () => {
    const [here, there] = [probe.alice, await app.token({ tenantId: 'other' })];
    const serviceThere = await app.token({ tenantId: 'other', role: 'service', subject: 'shop' });
    const seen = new Map<string, number[]>([
      [here, []],
      [there, []],
    ]);
    for (const [token, unseen] of seen) {
      app.client(token).subscribe<{ badgeChanged: { badge: { unseen: number } } }>(
        { query: 'subscription { badgeChanged { badge { unseen } } }' },
        {
          next: ({ data }) => void unseen.push(data?.badgeChanged.badge.unseen ?? -1),
          error() {},
          complete() {},
        },
      );
    }
    await vi.waitFor(() => expect([...seen.values()]).toEqual([[1], [0]]));
    const send =
      'mutation { sendNotification(input: { userId: "alice", content: { title: "x" } }) { notificationId } }';
    await probe.run(send, {}, probe.service);
    await vi.waitFor(() => expect(seen.get(here)).toEqual([1, 2]));
    await probe.run(send, {}, serviceThere);
    await vi.waitFor(() => expect(seen.get(there)).toEqual([0, 1]));
    await probe.run('mutation { openInbox(input: {}) { badge { id } } }', {}, there);
    await vi.waitFor(() => expect(seen.get(there)).toEqual([0, 1, 0]));
    expect(seen.get(here)).toEqual([1, 2]);
  });

  it('may use the same idempotency key, like two users of one tenant', async () => {
    const record =
      'mutation ($name: String!) { recordPageView(input: { name: $name, idempotencyKey: "k" }) { userErrors { code message } } }';
    const tokens = [
      probe.alice,
      await app.token({ tenantId: 'other' }),
      await app.token({ subject: 'mallory' }),
    ];
    for (const [index, token] of tokens.entries()) {
      expect(await probe.run(record, { name: `page ${index}` }, token)).toMatchObject({
        status: 200,
        code: undefined,
      });
    }
    expect(await probe.run(record, { name: 'page 1' })).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
  });
});
