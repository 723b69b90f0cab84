// type-graphql reads it when the first decorator runs, so it comes before every resolver.
import 'reflect-metadata';
import {
  defaultFieldResolver,
  type GraphQLAbstractType,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { buildSchemaSync } from 'type-graphql';
import type { Act } from '../flow/act/act.ts';
import type { Items } from '../flow/act/items.ts';
import type { Reconcile } from '../flow/background/reconcile.ts';
import type { Measure } from '../flow/read/measure.ts';
import type { Read } from '../flow/read/read.ts';
import type { Ingest } from '../flow/record/ingest.ts';
import type { Record } from '../flow/record/record.ts';
import type { Stream } from '../flow/watch/stream.ts';
import type { Watch } from '../flow/watch/watch.ts';
import type { WatchActivity } from '../flow/watch/watch-activity.ts';
import type { LimitWatch } from '../flow/watch/watch-limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';
import { enforceAccess } from './access.ts';
import { ActivityResolver } from './activity.ts';
import { BadgeResolver, badgePush } from './badge.ts';
import type { Context, ResolverContainer } from './context.ts';
import { DeadLetterResolver } from './dead-letter.ts';
import { ExplainResolver } from './explain.ts';
import { ItemResolver } from './item.ts';
import { UserLimitResolver, UserLimitsResolver } from './limit.ts';
import { LimitCommandResolver } from './limit-command.ts';
import { MarkingResolver } from './marking.ts';
import { NodeResolver } from './node.ts';
import { NotificationResolver } from './notification.ts';
import { PageViewResolver } from './page-view.ts';
import { PreferenceResolver } from './preference.ts';
import { SendingResolver } from './sending.ts';
import { UserStatsResolver } from './stats.ts';
import { NotificationStreamResolver } from './stream.ts';
import { type SystemFigures, SystemStatusResolver } from './system-status.ts';
import { UserResolver } from './user.ts';
import { UsersResolver } from './users.ts';

let schema: GraphQLSchema | undefined;

/** The executable schema, with the access rules in it; one per process. Resolvers come from each request's context. */
export function getSchema(): GraphQLSchema {
  schema ??= enforceAccess(
    compilable(
      withResolvers(
        badgePush,
        buildSchemaSync({
          resolvers: [
            UserResolver,
            UsersResolver,
            PreferenceResolver,
            NodeResolver,
            PageViewResolver,
            NotificationResolver,
            SendingResolver,
            ItemResolver,
            BadgeResolver,
            ExplainResolver,
            MarkingResolver,
            NotificationStreamResolver,
            UserStatsResolver,
            ActivityResolver,
            DeadLetterResolver,
            SystemStatusResolver,
            UserLimitResolver,
            UserLimitsResolver,
            LimitCommandResolver,
          ],
          container: ({ context }: { context: Context }) => context.container,
          // Scalars are strict and the flow parses the rest; class-validator would check neither.
          validate: false,
          // type-graphql wants one as soon as there is a subscription; ours are fed by `watch`, and this one must never be.
          pubSub: { publish: refusePubSub, subscribe: refusePubSub },
        }),
      ),
    ),
  );
  return schema;
}

/** Types with fields whose values are functions that compute them. */
const computing = [
  'DeadLetter',
  'DeadLetterConnection',
  'ItemConnection',
  'NotificationConnection',
  'PageViewConnection',
  'PreferencesPayload',
  'SystemStatus',
  'UserConnection',
  'UserLimitEvent',
];

/** Compiled operations call only what has a resolver, and know a type at once or not at all. */
function compilable(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInterfaceType(type) || type.name === 'BadgeSubject') {
      (type as GraphQLAbstractType).resolveType = ({ __typename }) => __typename;
    } else if (isObjectType(type) && computing.includes(type.name)) {
      for (const field of Object.values(type.getFields())) field.resolve ??= defaultFieldResolver;
    }
  }
  return schema;
}

/** Replaces the resolvers of fields, each named `Type.field`. */
function withResolvers(
  resolvers: Readonly<{ [field: string]: GraphQLFieldResolver<never, Context> }>,
  schema: GraphQLSchema,
): GraphQLSchema {
  for (const [name, resolve] of Object.entries(resolvers)) {
    const [typeName = '', fieldName = ''] = name.split('.');
    const type = schema.getType(typeName);
    const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
    if (!field) throw new Error(`${name} is not a field of the schema`);
    field.resolve = resolve as GraphQLFieldResolver<unknown, Context>;
  }
  return schema;
}

/** What `schema.graphql` holds: sorted, so that a change of the code shows as a change of the contract and nothing else. */
export function printedSchema(): string {
  return `${printSchema(lexicographicSortSchema(getSchema()))}\n`;
}

/** The resolvers of one app. */
export function createResolvers(deps: {
  readonly act: Act;
  readonly items: Items;
  readonly read: Read;
  readonly reconcile: Reconcile;
  readonly record: Record;
  readonly watch: Watch;
  readonly stream: Stream;
  readonly limitWatch: LimitWatch;
  readonly ingest: Ingest;
  readonly watchActivity: WatchActivity;
  readonly measure: Measure;
  readonly store: Store;
  readonly clock: Clock;
  readonly retentionDays: number;
  readonly figures: SystemFigures;
  readonly lockedCategories: readonly string[];
}): ResolverContainer {
  const resolvers = new Map<unknown, unknown>([
    [UserResolver, new UserResolver(deps)],
    [UsersResolver, new UsersResolver(deps)],
    [PreferenceResolver, new PreferenceResolver(deps)],
    [NodeResolver, new NodeResolver(deps)],
    [PageViewResolver, new PageViewResolver(deps)],
    [NotificationResolver, new NotificationResolver()],
    [SendingResolver, new SendingResolver(deps)],
    [ItemResolver, new ItemResolver(deps)],
    [BadgeResolver, new BadgeResolver(deps)],
    [ExplainResolver, new ExplainResolver(deps)],
    [MarkingResolver, new MarkingResolver(deps)],
    [NotificationStreamResolver, new NotificationStreamResolver(deps)],
    [UserStatsResolver, new UserStatsResolver()],
    [ActivityResolver, new ActivityResolver(deps)],
    [DeadLetterResolver, new DeadLetterResolver(deps)],
    [SystemStatusResolver, new SystemStatusResolver(deps)],
    [UserLimitResolver, new UserLimitResolver(deps)],
    [UserLimitsResolver, new UserLimitsResolver(deps)],
    [LimitCommandResolver, new LimitCommandResolver(deps)],
  ]);
  return {
    get: <T>(resolverClass: abstract new (...args: never[]) => T) => resolvers.get(resolverClass) as T,
  };
}

function refusePubSub(): never {
  throw new Error("type-graphql's own pub/sub is not used: subscriptions are fed by flow/watch");
}
