import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** The limits of a document and its operations. */
export interface OperationLimits {
  /** The maximum depth of nested selections. */
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxRootFields: number;
  readonly maxMutations: number;
  /** The maximum number of fields, spreads and inline fragments. A fragment counts each time it is spread. */
  readonly maxSelections: number;
  /** The maximum number of times that one response name may occur in the text of a document. */
  readonly maxRepeats: number;
  /** The maximum cost of an operation with its variables (cost.ts). */
  readonly maxCost: number;
  /** The maximum number of tokens in a document. The parser enforces this limit. */
  readonly maxTokens: number;
  /** The maximum number of characters in the text of a document. */
  readonly maxCharacters: number;
  readonly maxLines: number;
}

/**
 * 1000 tokens without fragments contain fewer than 1000 selections. The limit of 2000 selections leaves room
 * for fragments that are spread several times. A full introspection query has 240 selections.
 * The validation compares each pair of fields with the same response name: n fields need n² / 2 comparisons.
 * 990 fields of one name took 34 ms. Nine names with 100 fields each take 3 ms.
 * To find the position of an error, GraphQL.js counts the lines before the error: 10 errors after 490 000
 * empty lines took 360 ms.
 */
export const defaultLimits: OperationLimits = {
  maxDepth: 8,
  maxAliases: 15,
  maxDirectives: 10,
  maxRootFields: 10,
  maxMutations: 5,
  maxSelections: 2_000,
  maxRepeats: 100,
  maxCost: 1_000,
  maxTokens: 1_000,
  maxCharacters: 32_000,
  maxLines: 1_000,
};

/**
 * The maximum number of errors in an answer. The maximum applies both to the limits of this file and to the
 * validation.
 */
export const maxErrors = 10;

/** Returns an error if the text of a document exceeds a limit. Must run before the text is parsed. */
export function exceededTextLimit(source: string, limits: OperationLimits): GraphQLError | undefined {
  const { maxCharacters, maxLines } = limits;
  if (source.length > maxCharacters)
    return textError(`The document has ${source.length} characters. The maximum is ${maxCharacters}.`);
  const lines = source.split(/\r\n|[\n\r]/).length;
  return lines > maxLines
    ? textError(`The document has ${lines} lines. The maximum is ${maxLines}.`)
    : undefined;
}

const textError = (message: string) => new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });

interface Measure {
  readonly depth: number;
  readonly aliases: number;
  readonly directives: number;
  readonly rootFields: number;
  readonly selections: number;
}

const nothing: Measure = { depth: 0, aliases: 0, directives: 0, rootFields: 0, selections: 0 };

/** Bounds the sum. Otherwise, 1000 fragments that each spread the next fragment twice would give Infinity. */
const plus = (a: number, b: number) => Math.min(a + b, Number.MAX_SAFE_INTEGER);

/** Adds the measures of two selections of the same selection set. */
const sum = (a: Measure, b: Measure): Measure => ({
  depth: Math.max(a.depth, b.depth),
  aliases: plus(a.aliases, b.aliases),
  directives: plus(a.directives, b.directives),
  rootFields: plus(a.rootFields, b.rootFields),
  selections: plus(a.selections, b.selections),
});

/**
 * Returns the errors for the limits that a document exceeds. Must run before any other code walks the
 * document. Validation, look-ahead, compiling and execution take time for each selection in the expanded
 * fragments. `exceededLimits` visits each selection of the text only once, but counts the selections of a
 * fragment for each spread of the fragment. The limit of selections also applies to fragments that no
 * operation spreads, because the validation walks them.
 *
 * Aliases, directives and selections of introspection count. The depth of introspection does not count,
 * because the rules of the GraphQL specification bound it.
 */
export function exceededLimits(document: DocumentNode, limits: OperationLimits): readonly GraphQLError[] {
  const walk = createWalk(document);
  const ofOperations = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? operationExcess(definition, walk, limits) : [],
  );
  // The measures of the operations already include their fragments. The errors of fragments are used only if
  // no operation has an error.
  const ofFragments = document.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) return [];
    return refused(definition, [['selections', walk.fragment(definition).selections, limits.maxSelections]]);
  });
  const problems = ofOperations.length > 0 ? ofOperations : ofFragments;
  return [...problems.slice(0, maxErrors), ...repeatExcess(walk.occurrences, limits)];
}

/**
 * Returns the number of selections of an operation, with its fragments expanded. The document must be within
 * the limits.
 */
export function countSelections(document: DocumentNode, { selectionSet }: OperationDefinitionNode): number {
  return createWalk(document).selectionSet(selectionSet).selections;
}

function operationExcess(
  operation: OperationDefinitionNode,
  walk: Walk,
  limits: OperationLimits,
): readonly GraphQLError[] {
  const { depth, aliases, directives, rootFields, selections } = walk.selectionSet(operation.selectionSet);
  const maxRoots = operation.operation === 'mutation' ? limits.maxMutations : limits.maxRootFields;
  return refused(operation, [
    ['selections', selections, limits.maxSelections],
    ['nested levels', depth, limits.maxDepth],
    ['aliases', aliases, limits.maxAliases],
    ['directives', directives + (operation.directives?.length ?? 0), limits.maxDirectives],
    ['root fields', rootFields, maxRoots],
  ]);
}

function repeatExcess(
  occurrences: ReadonlyMap<string, number>,
  { maxRepeats }: OperationLimits,
): readonly GraphQLError[] {
  const repeated = [...occurrences].find(([, times]) => times > maxRepeats);
  if (!repeated) return [];
  const [name, times] = repeated;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  const message = `The document selects "${shown}" ${times} times. The maximum is ${maxRepeats}.`;
  return [textError(message)];
}

function refused(
  definition: OperationDefinitionNode | FragmentDefinitionNode,
  found: readonly (readonly [what: string, amount: number, limit: number])[],
): readonly GraphQLError[] {
  const what = definition.kind === Kind.FRAGMENT_DEFINITION ? 'fragment' : 'operation';
  return found
    .filter(([, amount, limit]) => amount > limit)
    .map(
      ([name, amount, limit]) =>
        new GraphQLError(`The ${what} has ${amount} ${name}. The maximum is ${limit}.`, {
          nodes: [definition],
          extensions: { code: name === 'selections' ? 'QUERY_TOO_COMPLEX' : 'BAD_USER_INPUT' },
        }),
    );
}

type Walk = ReturnType<typeof createWalk>;

/** Measures the selections of a document. Each fragment is measured once. */
function createWalk({ definitions }: DocumentNode) {
  const fragments = new Map(
    definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
  const measured = new Map<FragmentDefinitionNode, Measure>();
  /** Maps each response name to the number of times that it occurs in the text. */
  const occurrences = new Map<string, number>();

  function fragment(definition: FragmentDefinitionNode): Measure {
    const known = measured.get(definition);
    if (known) return known;
    // In a cycle of fragments, the second visit to a fragment ends here and adds nothing. The validation rule
    // NoFragmentCycles then refuses the document.
    measured.set(definition, nothing);
    const measure = selectionSet(definition.selectionSet);
    measured.set(definition, measure);
    return measure;
  }

  function selectionSet({ selections }: SelectionSetNode): Measure {
    return selections.reduce((total, selection) => sum(total, measureOf(selection)), nothing);
  }

  function measureOf(selection: SelectionNode): Measure {
    const own = { ...nothing, selections: 1, directives: selection.directives?.length ?? 0 };
    if (selection.kind === Kind.INLINE_FRAGMENT) return sum(own, selectionSet(selection.selectionSet));
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const definition = fragments.get(selection.name.value);
      return definition ? sum(own, fragment(definition)) : own;
    }
    const { name, alias, selectionSet: below } = selection;
    const response = (alias ?? name).value;
    occurrences.set(response, (occurrences.get(response) ?? 0) + 1);
    const inner = below ? selectionSet(below) : nothing;
    return {
      depth: 1 + (name.value.startsWith('__') ? 0 : inner.depth),
      aliases: plus(inner.aliases, alias ? 1 : 0),
      directives: plus(inner.directives, own.directives),
      rootFields: 1,
      selections: plus(inner.selections, 1),
    };
  }

  return { fragment, selectionSet, occurrences };
}
