// type-graphql reads it when the first decorator runs, so it comes before every resolver.
import 'reflect-metadata';
import {
  type GraphQLAbstractType,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { buildSchemaSync } from 'type-graphql';
import { enforceAccess } from './access.ts';
import { ActivityResolver } from './activity.ts';
import { BadgeResolver, badgeResolvers } from './badge.ts';
import { resolveComputedFields } from './computed.ts';
import { DeadLetterResolver } from './dead-letter.ts';
import type { Context, ResolverContainer } from './engine/context.ts';
import { ExplainResolver } from './explain.ts';
import { ItemResolver } from './item.ts';
import { UserLimitResolver } from './limit.ts';
import { LimitCommandResolver } from './limit-command.ts';
import { MarkingResolver } from './marking.ts';
import { NodeResolver } from './node.ts';
import { NotificationResolver } from './notification.ts';
import { PageViewResolver } from './page-view.ts';
import { PreferenceResolver } from './preference.ts';
import { SendingResolver } from './sending.ts';
import { UserStatsResolver } from './stats.ts';
import { NotificationStreamResolver } from './stream.ts';
import { SystemStatusResolver } from './system-status.ts';
import { UserResolver } from './user.ts';
import { UserLimitsResolver } from './user-limits.ts';
import { UsersResolver } from './users.ts';

let schema: GraphQLSchema | undefined;

const resolverClasses = [
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
] as const;

/** The executable schema, with the access rules in it; one per process. Resolvers come from each request's context. */
export function getSchema(): GraphQLSchema {
  schema ??= enforceAccess(
    resolveComputedFields(withSynchronousTypes(withResolvers(badgeResolvers, buildResolvers()))),
  );
  return schema;
}

function buildResolvers(): GraphQLSchema {
  return buildSchemaSync({
    resolvers: resolverClasses,
    container: ({ context }: { context: Context }) => context.container,
    // Scalars are strict and the flow parses the rest; class-validator would check neither.
    validate: false,
    // type-graphql wants one as soon as there is a subscription; ours are fed by `watch`, and this one must never be.
    pubSub: { publish: refusePubSub, subscribe: refusePubSub },
  });
}

/** Compiled operations need the type of an object at once: a promise is no type to them. */
function withSynchronousTypes(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInterfaceType(type) || type.name === 'BadgeSubject') {
      (type as GraphQLAbstractType).resolveType = ({ __typename }) => __typename;
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

type FunctionOfDeps<Class> = Class extends new (deps: infer Deps) => unknown ? (deps: Deps) => void : never;

/** What the resolvers need together. */
export type ResolverDeps =
  FunctionOfDeps<(typeof resolverClasses)[number]> extends (deps: infer Deps) => void ? Deps : never;

/** The resolvers of one app. */
export function createResolvers(deps: ResolverDeps): ResolverContainer {
  const resolvers = new Map<unknown, unknown>(
    resolverClasses.map((ResolverClass) => [ResolverClass, new ResolverClass(deps)]),
  );
  return {
    get: <T>(resolverClass: abstract new (...args: never[]) => T) => resolvers.get(resolverClass) as T,
  };
}

function refusePubSub(): never {
  throw new Error("type-graphql's own pub/sub is not used: subscriptions are fed by flow/watch");
}
