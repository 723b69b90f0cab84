import { defaultFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import { Extensions } from 'type-graphql';

/** Marks a field whose value is a function. The function runs only when the field is selected. */
export const Computed = () => Extensions({ isComputed: true });

/**
 * Gives the marked fields a resolver that calls their functions. Interpreted and compiled operations read all
 * other fields as properties, so a field without the mark fails when it is selected for the first time.
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
