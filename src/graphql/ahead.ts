import {
  type FieldNode,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/**
 * The arguments of a field of what is being resolved, so that one query can read both. undefined when it is not asked for, or
 * not plainly: more than once or under a condition. Throws when the arguments do not fit.
 */
export function argumentsAhead(
  { fieldNodes, fragments, returnType, variableValues }: GraphQLResolveInfo,
  fieldName: string,
): Readonly<Record<string, unknown>> | undefined {
  const found: FieldNode[] = [];
  let isPlain = true;

  function look({ selections }: SelectionSetNode): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        if (selection.name.value !== fieldName) continue;
        found.push(selection);
      } else {
        const fragment =
          selection.kind === Kind.FRAGMENT_SPREAD ? fragments[selection.name.value] : selection;
        if (fragment) look(fragment.selectionSet);
      }
      isPlain &&= !selection.directives?.length;
    }
  }
  for (const { selectionSet } of fieldNodes) if (selectionSet) look(selectionSet);

  const [node] = found;
  const type = getNamedType(returnType);
  const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
  if (!node || !field || found.length > 1 || !isPlain) return undefined;
  return getArgumentValues(field, node, variableValues);
}
