import { defaultFieldResolver, type GraphQLFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import type { Caller, Role } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import type { Context } from './engine/context.ts';

/**
 * The callers who may use a field.
 * - `token`: every caller with a valid token.
 * - `target`: the user whose data the field reads or changes, and services and admins of the tenant. The
 * resolver must call `targetUser` or `maySee`.
 * - `service`: services and admins.
 * - `admin`: admins.
 * - `parent`: every caller who received the object that has the field.
 */
export type Access = 'token' | 'target' | 'service' | 'admin' | 'parent';

/**
 * The access rules. Each field of Query, Mutation and Subscription has a rule. Every other type has one rule
 * for all its fields. A field without a rule is an error, so no field is open by default.
 */
export const access: Readonly<Record<string, Access>> = {
  'Query.viewer': 'token',
  'Query.user': 'target',
  'Query.users': 'service',
  'Query.node': 'target',
  'Query.items': 'token',
  'Query.activityMetrics': 'service',
  'Query.deadLetters': 'admin',
  'Query.systemStatus': 'admin',
  'Mutation.recordPageView': 'target',
  'Mutation.recordPageViews': 'target',
  'Mutation.recordItemViews': 'target',
  'Mutation.publishItems': 'service',
  'Mutation.retractItems': 'service',
  'Mutation.sendNotification': 'service',
  'Mutation.sendNotifications': 'service',
  'Mutation.openInbox': 'target',
  'Mutation.markNotifications': 'target',
  'Mutation.snoozeNotification': 'target',
  'Mutation.cancelScheduledNotification': 'service',
  'Mutation.rescheduleNotification': 'service',
  'Mutation.updatePreferences': 'target',
  'Mutation.upsertUsers': 'service',
  'Mutation.importUserRange': 'service',
  'Mutation.eraseUser': 'admin',
  'Mutation.retryDeadLetters': 'admin',
  'Mutation.reconcileBadge': 'admin',
  'Mutation.ingestLimitEvents': 'service',
  'Mutation.createUserLimit': 'service',
  'Mutation.updateUserLimitProgress': 'service',
  'Mutation.resetUserLimit': 'service',
  'Subscription.badgeChanged': 'target',
  'Subscription.notificationStream': 'target',
  'Subscription.userLimitChanged': 'target',
  'Subscription.activityMetricsChanged': 'service',
  ActivityBucket: 'parent',
  Badge: 'parent',
  BadgeContribution: 'parent',
  BadgeContributionConnection: 'parent',
  BadgeContributionEdge: 'parent',
  BadgePayload: 'parent',
  BadgeUpdate: 'parent',
  CategoryCount: 'parent',
  CategoryPreference: 'parent',
  DayStat: 'parent',
  DeadLetter: 'parent',
  DeadLetterConnection: 'parent',
  DeadLetterEdge: 'parent',
  EraseUserPayload: 'parent',
  IngestLimitEventsPayload: 'parent',
  IngestResult: 'parent',
  Item: 'parent',
  ItemConnection: 'parent',
  ItemEdge: 'parent',
  MarkNotificationsPayload: 'parent',
  Notification: 'parent',
  NotificationAdded: 'parent',
  NotificationConnection: 'parent',
  NotificationEdge: 'parent',
  NotificationPayload: 'parent',
  NotificationPreferences: 'parent',
  NotificationsChanged: 'parent',
  PageInfo: 'parent',
  PageStat: 'parent',
  PageView: 'parent',
  PageViewConnection: 'parent',
  PageViewEdge: 'parent',
  PreferencesPayload: 'parent',
  PublishItemsPayload: 'parent',
  RecordedPayload: 'parent',
  ReconcileBadgePayload: 'parent',
  RecordPageViewPayload: 'parent',
  RecordPageViewsPayload: 'parent',
  RetryDeadLettersPayload: 'parent',
  SendNotificationPayload: 'parent',
  SendNotificationsPayload: 'parent',
  StreamReset: 'parent',
  SystemStatus: 'parent',
  TypeCount: 'parent',
  UpsertUsersPayload: 'parent',
  User: 'parent',
  UserConnection: 'parent',
  UserEdge: 'parent',
  UserError: 'parent',
  UserLimit: 'parent',
  UserLimitEvent: 'parent',
  UserLimitEventConnection: 'parent',
  UserLimitEventEdge: 'parent',
  UserLimitPayload: 'parent',
  UserStats: 'parent',
};

/**
 * Fields with the rule `service` that a user token may also use, if it has the scope to send to its own user.
 * The resolver must call `targetUser`.
 */
const forSendingToSelf: ReadonlySet<string> = new Set(['Mutation.sendNotification']);

/** Returns the rule of a field. If the field has no rule of its own, the rule of its type applies. */
export function accessOf(typeName: string, fieldName: string): Access | undefined {
  return access[`${typeName}.${fieldName}`] ?? access[typeName];
}

/**
 * Adds the access rules to the schema, so that they apply to every transport. Throws if a field has no rule.
 * The process then does not start.
 */
export function enforceAccess(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const rule = accessOf(type.name, field.name);
      if (rule === undefined)
        throw new Error(`${type.name}.${field.name} has no rule. Add it to src/graphql/access.ts.`);
      const roles = rolesFor[rule];
      if (!roles) continue;
      const mayUse = forSendingToSelf.has(`${type.name}.${field.name}`)
        ? ({ role, maySendToSelf }: Caller) => maySendToSelf === true || roles.includes(role)
        : ({ role }: Caller) => roles.includes(role);
      // The rule is checked only when a caller subscribes, because the result of a push is computed once for
      // all subscribers.
      if (field.subscribe) field.subscribe = only(roles, mayUse, field.subscribe);
      else field.resolve = only(roles, mayUse, field.resolve ?? defaultFieldResolver);
    }
  }
  return schema;
}

/** The roles that a rule requires. A rule without an entry requires no role. */
const rolesFor: Readonly<Partial<Record<Access, readonly Role[]>>> = {
  service: ['service', 'admin'],
  admin: ['admin'],
};

function only(
  roles: readonly Role[],
  mayUse: (caller: Caller) => boolean,
  resolve: GraphQLFieldResolver<unknown, Context>,
): GraphQLFieldResolver<unknown, Context> {
  return (source, args, context, info) => {
    if (!mayUse(context.caller)) {
      throw new AppError('FORBIDDEN', `${info.fieldName} requires a token of role ${roles.join(' or ')}.`);
    }
    return resolve(source, args, context, info);
  };
}
