import {
  type ArgumentNode,
  type ASTVisitor,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import { maxItems } from '../events/item-view.ts';

/** How much one operation may ask for. */
export interface OperationLimits {
  /** Nested selections. */
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxRootFields: number;
  readonly maxMutations: number;
  /** Objects the answer may hold, were every list full. */
  readonly maxCost: number;
  /** Tokens of the document, given to the parser. */
  readonly maxTokens: number;
}

export const defaultLimits: OperationLimits = {
  maxDepth: 8,
  maxAliases: 15,
  maxDirectives: 10,
  maxRootFields: 10,
  maxMutations: 5,
  maxCost: 1_000,
  maxTokens: 1_000,
};

/** Entries of a page when `first` is a variable: the most it can be. */
const maxPageSize = 100;

/** Badges one field may answer, and one subscription may watch. */
export const maxBadges = 100;

/** How many entries lists of objects may have that are no pages. */
const listSizes: Readonly<Record<string, number>> = {
  'User.badges': maxBadges,
  'PublishItemsPayload.items': maxItems,
  'User.limits': 50,
};

interface Measure {
  readonly depth: number;
  readonly aliases: number;
  readonly directives: number;
  readonly rootFields: number;
  readonly cost: number;
}

const nothing: Measure = { depth: 0, aliases: 0, directives: 0, rootFields: 0, cost: 0 };

/** Two selections side by side. */
const sum = (one: Measure, other: Measure): Measure => ({
  depth: Math.max(one.depth, other.depth),
  aliases: one.aliases + other.aliases,
  directives: one.directives + other.directives,
  rootFields: one.rootFields + other.rootFields,
  cost: one.cost + other.cost,
});

/**
 * Refuses operations that ask for too much, before anything runs. Each fragment is measured once and counted wherever it
 * is spread, so a document of doubling fragments costs nothing to measure and is refused for what it would become.
 * Cost counts objects: a field with a selection is one, times the page size of the lists it lies in; scalars are free.
 * Of introspection only aliases and directives count: its depth is bounded by the rules of the specification, and without
 * aliases it is never more than the schema.
 */
export function limitsRule(limits: OperationLimits): ValidationRule {
  return (context: ValidationContext): ASTVisitor => {
    const measured = new Map<string, Measure>();

    function fragment(name: string): Measure {
      const known = measured.get(name);
      if (known) return known;
      // A cycle comes back here and adds nothing; NoFragmentCycles refuses it.
      measured.set(name, nothing);
      const definition: FragmentDefinitionNode | null | undefined = context.getFragment(name);
      const measure = definition
        ? selections(definition.selectionSet, definition.typeCondition.name.value)
        : nothing;
      measured.set(name, measure);
      return measure;
    }

    function selections(set: SelectionSetNode, typeName: string | undefined): Measure {
      return set.selections.map((selection) => measureOf(selection, typeName)).reduce(sum, nothing);
    }

    function measureOf(selection: SelectionNode, typeName: string | undefined): Measure {
      const directives = selection.directives?.length ?? 0;
      switch (selection.kind) {
        case Kind.FRAGMENT_SPREAD:
          return sum(fragment(selection.name.value), { ...nothing, directives });
        case Kind.INLINE_FRAGMENT: {
          const inner = selections(selection.selectionSet, selection.typeCondition?.name.value ?? typeName);
          return sum(inner, { ...nothing, directives });
        }
        case Kind.FIELD: {
          const field = fieldOf(context, typeName, selection.name.value);
          const inner = selection.selectionSet
            ? selections(selection.selectionSet, field && getNamedType(field.type).name)
            : nothing;
          const entries = field ? pageSize(field, `${typeName}.${field.name}`, selection.arguments ?? []) : 1;
          // A list is its entries; a connection is one object that holds them.
          const isList = field !== undefined && isListType(getNullableType(field.type));
          const cost = isList ? entries * (1 + inner.cost) : 1 + entries * inner.cost;
          const isIntrospection = selection.name.value.startsWith('__');
          return {
            depth: 1 + (isIntrospection ? 0 : inner.depth),
            aliases: inner.aliases + (selection.alias ? 1 : 0),
            directives: inner.directives + directives,
            rootFields: 1,
            cost: isIntrospection || !selection.selectionSet ? 0 : cost,
          };
        }
        default:
          return selection satisfies never;
      }
    }

    return {
      OperationDefinition(operation: OperationDefinitionNode) {
        const root = context.getSchema().getRootType(operation.operation)?.name;
        const measure = selections(operation.selectionSet, root);
        const maxRoots = operation.operation === 'mutation' ? limits.maxMutations : limits.maxRootFields;
        const directives = measure.directives + (operation.directives?.length ?? 0);
        const found: readonly [what: string, amount: number, limit: number, code: string][] = [
          ['nested levels', measure.depth, limits.maxDepth, 'BAD_USER_INPUT'],
          ['aliases', measure.aliases, limits.maxAliases, 'BAD_USER_INPUT'],
          ['directives', directives, limits.maxDirectives, 'BAD_USER_INPUT'],
          ['root fields', measure.rootFields, maxRoots, 'BAD_USER_INPUT'],
          ['objects at most', measure.cost, limits.maxCost, 'QUERY_TOO_COMPLEX'],
        ];
        for (const [what, amount, limit, code] of found) {
          if (amount <= limit) continue;
          context.reportError(
            new GraphQLError(`The operation has ${amount} ${what}; ${limit} are allowed.`, {
              nodes: [operation],
              extensions: { code },
            }),
          );
        }
        return false;
      },
    };
  };
}

function fieldOf(context: ValidationContext, typeName: string | undefined, name: string) {
  const type = typeName === undefined ? undefined : context.getSchema().getType(typeName);
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

/** How many entries a connection or a list may bring; 1 for what is no long list. */
function pageSize(
  field: GraphQLField<unknown, unknown>,
  name: string,
  args: readonly ArgumentNode[],
): number {
  const declared = field.args.find(({ name }) => name === 'first');
  if (!declared || !isCompositeType(getNamedType(field.type))) return listSizes[name] ?? 1;
  const given = args.find(({ name }) => name.value === 'first')?.value;
  if (given?.kind === Kind.VARIABLE) return maxPageSize;
  const first = given?.kind === Kind.INT ? Number(given.value) : declared.defaultValue;
  return typeof first === 'number' ? Math.min(Math.max(first, 1), maxPageSize) : 1;
}
