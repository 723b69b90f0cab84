import { defaultFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import { Extensions } from 'type-graphql';

/** Marks a field whose property is a function. The function runs only if the field is selected. */
export const Computed = () => Extensions({ isComputed: true });

/**
 * Gives each marked field a resolver that calls its function. All other fields are read as properties, in
 * interpreted and in compiled operations. So a field whose property is a function fails at its first use if
 * the mark is missing.
 */
export function resolveComputedFields(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.extensions['isComputed'] === true) field.resolve = defaultFieldResolver;
    }
  }
  return schema;
}
