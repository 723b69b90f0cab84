import {
  type ASTVisitor,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';

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

interface Measure {
  readonly depth: number;
  readonly aliases: number;
  readonly directives: number;
  readonly rootFields: number;
  readonly cost: number;
}

const nothing: Measure = { depth: 0, aliases: 0, directives: 0, rootFields: 0, cost: 0 };

/**
 * Refuses operations that ask for too much, before anything runs. Each fragment is measured once and counted wherever it
 * is spread, so a document of doubling fragments costs nothing to measure and is refused for what it would become.
 * Cost counts objects: a field with a selection is one, times the page size of the lists it lies in; scalars are free.
 * Introspection is not counted.
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
      const total = { ...nothing };
      const add = (measure: Measure, own: Partial<Measure> = {}) => {
        total.depth = Math.max(total.depth, measure.depth + (own.depth ?? 0));
        total.aliases += measure.aliases + (own.aliases ?? 0);
        total.directives += measure.directives + (own.directives ?? 0);
        total.rootFields += own.rootFields ?? measure.rootFields;
        total.cost += own.cost ?? measure.cost;
      };
      for (const selection of set.selections) {
        const directives = selection.directives?.length ?? 0;
        if (selection.kind === Kind.FRAGMENT_SPREAD) add(fragment(selection.name.value), { directives });
        else if (selection.kind === Kind.INLINE_FRAGMENT) {
          add(selections(selection.selectionSet, selection.typeCondition?.name.value ?? typeName), { directives });
        } else {
          const aliases = selection.alias ? 1 : 0;
          if (!selection.selectionSet || selection.name.value.startsWith('__')) {
            add(nothing, { depth: 1, aliases, directives, rootFields: 1 });
            continue;
          }
          const field = fieldOf(context, typeName, selection.name.value);
          const inner = selections(selection.selectionSet, field && getNamedType(field.type).name);
          const entries = field ? pageSize(field, selection.arguments ?? []) : 1;
          add(inner, { depth: 1, aliases, directives, rootFields: 1, cost: 1 + entries * inner.cost });
        }
      }
      return total;
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

/** How many entries a connection may bring; 1 for what is no connection. */
function pageSize(
  field: GraphQLField<unknown, unknown>,
  args: readonly { readonly name: { readonly value: string }; readonly value: { readonly kind: string } }[],
): number {
  const declared = field.args.find(({ name }) => name === 'first');
  if (!declared || !isCompositeType(getNamedType(field.type))) return 1;
  const given = args.find(({ name }) => name.value === 'first')?.value;
  if (!given) return typeof declared.defaultValue === 'number' ? declared.defaultValue : 1;
  const literal = given.kind === Kind.INT ? Number((given as unknown as { value: string }).value) : maxPageSize;
  return Math.min(Math.max(literal, 1), maxPageSize);
}
