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

/**
 * Returns the executable schema with the access rules. A process has one schema. The resolvers come from the
 * context of each request.
 */
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
    // class-validator is off, because the scalars and the code in src/flow check all input.
    validate: false,
    // type-graphql requires a pub/sub if the schema has subscriptions. The code in src/flow/watch feeds the
    // subscriptions instead, so this pub/sub must never be called.
    pubSub: { publish: refusePubSub, subscribe: refusePubSub },
  });
}

/** Makes `resolveType` synchronous. Compiled operations cannot await the type of an object. */
function withSynchronousTypes(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInterfaceType(type) || type.name === 'BadgeSubject') {
      (type as GraphQLAbstractType).resolveType = ({ __typename }) => __typename;
    }
  }
  return schema;
}

/** Replaces the resolvers of fields. The keys are `Type.field`. */
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

/** The text of `schema.graphql`. The text is sorted, so that moving code does not change the file. */
export function printedSchema(): string {
  return `${printSchema(lexicographicSortSchema(getSchema()))}\n`;
}

type FunctionOfDeps<Class> = Class extends new (deps: infer Deps) => unknown ? (deps: Deps) => void : never;

/** The dependencies of all resolvers. */
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
  throw new Error('Unseen does not use the pub/sub of type-graphql. flow/watch feeds the subscriptions.');
}
