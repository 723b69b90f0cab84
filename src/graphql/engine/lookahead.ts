import {
  type FieldNode,
  type GraphQLResolveInfo,
  getArgumentValues,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/**
 * Yields the selections, including the selections of fragments. The function visits each fragment once, even
 * if the fragment is spread several times.
 */
export function* selectionsOf(
  sets: Iterable<SelectionSetNode | undefined>,
  fragments: GraphQLResolveInfo['fragments'],
): Iterable<SelectionNode> {
  const visited = new Set<SelectionSetNode>();
  const waiting = [...sets];
  for (const set of waiting) {
    if (!set || visited.has(set)) continue;
    visited.add(set);
    for (const selection of set.selections) {
      yield selection;
      if (selection.kind === Kind.INLINE_FRAGMENT) waiting.push(selection.selectionSet);
      else if (selection.kind === Kind.FRAGMENT_SPREAD)
        waiting.push(fragments[selection.name.value]?.selectionSet);
    }
  }
}

/**
 * Whether the operation selects the field on the object that is being resolved, either directly or in a
 * fragment.
 */
export function selects({ fieldNodes, fragments }: GraphQLResolveInfo, fieldName: string): boolean {
  const sets = fieldNodes.map(({ selectionSet }) => selectionSet);
  for (const selection of selectionsOf(sets, fragments))
    if (selection.kind === Kind.FIELD && selection.name.value === fieldName) return true;
  return false;
}

/**
 * Returns the arguments of a field of the object that is being resolved, so that one query can read the
 * object and the field together. Returns undefined if the operation does not select the field, selects it
 * more than once, or selects it under a directive. Throws if the arguments are invalid.
 */
export function lookaheadArguments(
  { fieldNodes, fragments, returnType, variableValues }: GraphQLResolveInfo,
  fieldName: string,
): Readonly<Record<string, unknown>> | undefined {
  const found: FieldNode[] = [];
  const sets = fieldNodes.map(({ selectionSet }) => selectionSet);
  for (const selection of selectionsOf(sets, fragments)) {
    const isField = selection.kind === Kind.FIELD;
    if (isField && selection.name.value !== fieldName) continue;
    if (selection.directives?.length) return undefined;
    if (isField) found.push(selection);
  }
  const [node] = found;
  const type = getNamedType(returnType);
  const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
  if (!node || !field || found.length > 1) return undefined;
  return getArgumentValues(field, node, variableValues);
}
