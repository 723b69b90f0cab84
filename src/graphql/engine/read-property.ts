import type { GraphQLFieldResolver } from 'graphql';

/**
 * Resolves a field without a resolver to the property of its name. Unlike the default of GraphQL.js it calls no function,
 * because compiled operations do not either: an operation must not answer differently once it is compiled.
 */
export const readProperty: GraphQLFieldResolver<unknown, unknown> = (
  source,
  _args,
  _context,
  { fieldName },
) => (source as Readonly<Record<string, unknown>> | undefined)?.[fieldName];
