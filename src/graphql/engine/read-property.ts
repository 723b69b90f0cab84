import type { GraphQLFieldResolver } from 'graphql';

/**
 * Resolves a field without a resolver to the property of the same name. The default resolver of GraphQL.js
 * also calls properties that are functions, but compiled operations do not. With this resolver, an operation
 * gives the same answer before and after it is compiled.
 */
export const readProperty: GraphQLFieldResolver<unknown, unknown> = (
  source,
  _args,
  _context,
  { fieldName },
) => (source as Readonly<Record<string, unknown>> | undefined)?.[fieldName];
