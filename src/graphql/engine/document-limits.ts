import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** How much one operation may ask for. */
export interface OperationLimits {
  /** Nested selections. */
  readonly maxDepth: number;
  readonly maxAliases: number;
  readonly maxDirectives: number;
  readonly maxRootFields: number;
  readonly maxMutations: number;
  /** Fields, spreads and inline fragments, counted wherever their fragment is spread. */
  readonly maxSelections: number;
  /** Times one response name may occur in the text of a document. */
  readonly maxRepeats: number;
  /** Cost of the operation (cost.ts) with its variables. */
  readonly maxCost: number;
  /** Tokens of the document, given to the parser. */
  readonly maxTokens: number;
  /** Of the text of a document. */
  readonly maxCharacters: number;
  readonly maxLines: number;
}

/**
 * 1000 tokens without fragments hold fewer than 1000 selections, so 2000 leaves room for fragments that are spread several
 * times. A full introspection query has 240. A name that occurs n times costs the validation n² / 2 comparisons:
 * 990 fields of one name took 34 ms, and nine names 100 times each take 3 ms. Each error counts the lines before its place:
 * 10 errors behind 490 000 empty lines took 360 ms.
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

/** Errors answered at most, here and by the validation. */
export const maxErrors = 10;

/** The limit that the text of a document exceeds. Must run before the text is parsed. */
export function exceededTextLimit(source: string, limits: OperationLimits): GraphQLError | undefined {
  const { maxCharacters, maxLines } = limits;
  if (source.length > maxCharacters)
    return textError(`The document has ${source.length} characters; ${maxCharacters} are allowed.`);
  const lines = source.split(/\r\n|[\n\r]/).length;
  return lines > maxLines
    ? textError(`The document has ${lines} lines; ${maxLines} are allowed.`)
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

/** Fragments that double 1000 times would count to Infinity. */
const plus = (one: number, other: number) => Math.min(one + other, Number.MAX_SAFE_INTEGER);

/** Two selections side by side. */
const sum = (one: Measure, other: Measure): Measure => ({
  depth: Math.max(one.depth, other.depth),
  aliases: plus(one.aliases, other.aliases),
  directives: plus(one.directives, other.directives),
  rootFields: plus(one.rootFields, other.rootFields),
  selections: plus(one.selections, other.selections),
});

/**
 * The limits that a document exceeds. Must run before anything else walks the document: validation, look-ahead, compiling and
 * execution all take time for each selection that fragments expand to. This function visits each selection of the text once
 * and counts a fragment wherever it is spread. Fragments that no operation spreads are held to the limit of selections too,
 * because validation walks them.
 *
 * Aliases, directives and selections of introspection count; its depth does not, because the rules of the specification bound it.
 */
export function exceededLimits(document: DocumentNode, limits: OperationLimits): readonly GraphQLError[] {
  const walk = createWalk(document);
  const ofOperations = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? operationExcess(definition, walk, limits) : [],
  );
  // What an operation spreads has been counted there.
  const ofFragments = document.definitions.flatMap((definition) => {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) return [];
    return refused(definition, [['selections', walk.fragment(definition).selections, limits.maxSelections]]);
  });
  const problems = ofOperations.length > 0 ? ofOperations : ofFragments;
  return [...problems.slice(0, maxErrors), ...repeatExcess(walk.occurrences, limits)];
}

/** The selections of an operation of a document that exceeds no limit, with its fragments written out. */
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
  const message = `The document selects "${shown}" ${times} times; ${maxRepeats} are allowed.`;
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
        new GraphQLError(`The ${what} has ${amount} ${name}; ${limit} are allowed.`, {
          nodes: [definition],
          extensions: { code: name === 'selections' ? 'QUERY_TOO_COMPLEX' : 'BAD_USER_INPUT' },
        }),
    );
}

type Walk = ReturnType<typeof createWalk>;

/** Measures selections of a document, each fragment once. */
function createWalk({ definitions }: DocumentNode) {
  const fragments = new Map(
    definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
  const measured = new Map<FragmentDefinitionNode, Measure>();
  /** How often each response name occurs in the text. */
  const occurrences = new Map<string, number>();

  function fragment(definition: FragmentDefinitionNode): Measure {
    const known = measured.get(definition);
    if (known) return known;
    // A cycle comes back here and adds nothing; NoFragmentCycles refuses it.
    measured.set(definition, nothing);
    const measure = selectionSet(definition.selectionSet);
    measured.set(definition, measure);
    return measure;
  }

  function selectionSet({ selections }: SelectionSetNode): Measure {
    return selections.reduce((total, selection) => sum(total, measureOf(selection)), nothing);
  }

  function measureOf(selection: SelectionNode): Measure {
    const one = { ...nothing, selections: 1, directives: selection.directives?.length ?? 0 };
    if (selection.kind === Kind.INLINE_FRAGMENT) return sum(one, selectionSet(selection.selectionSet));
    if (selection.kind === Kind.FRAGMENT_SPREAD) {
      const definition = fragments.get(selection.name.value);
      return definition ? sum(one, fragment(definition)) : one;
    }
    const { name, alias, selectionSet: below } = selection;
    const response = (alias ?? name).value;
    occurrences.set(response, (occurrences.get(response) ?? 0) + 1);
    const inner = below ? selectionSet(below) : nothing;
    return {
      depth: 1 + (name.value.startsWith('__') ? 0 : inner.depth),
      aliases: plus(inner.aliases, alias ? 1 : 0),
      directives: plus(inner.directives, one.directives),
      rootFields: 1,
      selections: plus(inner.selections, 1),
    };
  }

  return { fragment, selectionSet, occurrences };
}
