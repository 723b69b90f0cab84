import fc from 'fast-check';
import {
  buildSchema,
  type DocumentNode,
  executeSync,
  type FragmentDefinitionNode,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  specifiedRules,
  validate,
  visit,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { compile } from './compile.ts';
import { costOf } from './cost.ts';
import { createCostTable } from './cost-table.ts';
import { defaultLimits, exceededLimits, type OperationLimits } from './document-limits.ts';
import { selectionsOf } from './lookahead.ts';

/** The errors of a document, as `code: message`. */
const refusals = (document: string, limits: Partial<OperationLimits> = {}) =>
  exceededLimits(parse(document), { ...defaultLimits, ...limits }).map(
    ({ message, extensions }) => `${extensions['code']}: ${message}`,
  );

describe('limits of a document', () => {
  const counted: [limit: string, amount: number, document: string][] = [
    ['maxDepth', 4, '{ me { boss { boss { name } } } }'],
    [
      'maxDepth',
      4,
      '{ me { ...A } } fragment A on Person { boss { ...B } } fragment B on Person { boss { name } }',
    ],
    ['maxDepth', 1, '{ __schema { types { fields { type { name } } } } }'],
    ['maxAliases', 3, '{ a: me { b: name boss { c: name } } }'],
    ['maxAliases', 2, '{ me { ...A boss { ...A } } } fragment A on Person { a: name }'],
    ['maxAliases', 2, '{ __schema { types { a: name b: kind } } }'],
    ['maxDirectives', 3, 'query @a { me @b { ... @c { name } } }'],
    ['maxDirectives', 2, '{ me { ...A boss { ...A } } } fragment A on Person { name @a }'],
    ['maxRootFields', 3, '{ me { name } ...A } fragment A on Query { a: __typename b: __typename }'],
    ['maxMutations', 2, 'mutation { a: greet { name } b: greet { name } }'],
    ['maxSelections', 3, '{ me { name boss } }'],
    ['maxSelections', 4, '{ me { ... { name boss } } }'],
    ['maxSelections', 8, '{ me { ...A boss { ...A } } } fragment A on Person { name age }'],
    ['maxSelections', 4, '{ __schema { types { name kind } } }'],
    ['maxRepeats', 3, '{ me { name name boss { name } } }'],
    ['maxRepeats', 2, '{ me { x: name boss { x: age } ...A ...A ...A } } fragment A on Person { age }'],
  ];
  it.each(counted)('%s counts %d in %s', (limit, amount, document) => {
    expect(refusals(document, { [limit]: amount })).toEqual([]);
    expect(refusals(document, { [limit]: amount - 1 })).toEqual([
      expect.stringMatching(
        new RegExp(`^[A-Z_]+: The (operation|document) .*\\b${amount} .*\\. The maximum is ${amount - 1}\\.`),
      ),
    ]);
  });

  it('apply to every operation of a document', () => {
    expect(
      refusals('query A { me { name } } query B { me { name age boss } }', { maxSelections: 3 }),
    ).toEqual(['QUERY_TOO_COMPLEX: The operation has 4 selections. The maximum is 3.']);
  });

  it('apply to a fragment that no operation spreads', () => {
    expect(refusals('{ me } fragment A on Person { name age boss }', { maxSelections: 2 })).toEqual([
      'QUERY_TOO_COMPLEX: The fragment has 3 selections. The maximum is 2.',
    ]);
  });

  it('count up to the largest exact integer', () => {
    expect(refusals(doubling(60))).toContain(
      `QUERY_TOO_COMPLEX: The operation has ${2 ** 53 - 1} selections. The maximum is 2000.`,
    );
  });

  it('stop counting at a cycle of fragments, which the validation then refuses', () => {
    expect(
      refusals(
        '{ me { ...A } } fragment A on Person { boss { ...B } } fragment B on Person { boss { ...A } }',
      ),
    ).toEqual([]);
  });
});

/** A document with `count` fragments. Each fragment spreads the next fragment twice. */
function doubling(count: number): string {
  const fragments = Array.from(
    { length: count },
    (_, i) => `fragment F${i} on Person { ...F${i + 1} ...F${i + 1} }`,
  );
  // The text begins with the last fragment, so that the limits never recurse through more than two fragments.
  return `fragment F${count} on Person { name } ${fragments.reverse().join(' ')} { me { ...F0 } }`;
}

/**
 * Creates a selection set that spreads only fragments with the number `from` or a higher number, so that
 * there is no cycle.
 */
const selectionSet = (from: number, fragments: number): fc.Arbitrary<string> =>
  fc.letrec<{ set: string; selection: string }>((tie) => ({
    selection: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('name', 'age', 'x: age'),
      ...(from < fragments ? [fc.integer({ min: from, max: fragments - 1 }).map((n) => `...F${n}`)] : []),
      tie('set').map((set) => `boss ${set}`),
      tie('set').map((set) => `... ${set}`),
    ),
    set: fc.array(tie('selection'), { minLength: 1, maxLength: 4 }).map((all) => `{ ${all.join(' ')} }`),
  })).set;

const documents = fc
  .integer({ min: 0, max: 12 })
  .chain((fragments) =>
    fc.tuple(...Array.from({ length: fragments + 1 }, (_, n) => selectionSet(n, fragments))),
  )
  .map(([operation, ...bodies]) =>
    [`{ me ${operation} }`, ...bodies.map((body, n) => `fragment F${n} on Person ${body}`)].join(' '),
  );

/** Counts the selections of a document with all fragments expanded. Stops at `limit`. */
function expanded(source: string, limit: number): number {
  const { definitions } = parse(source);
  const setOf = (name: string | undefined): SelectionSetNode | undefined =>
    definitions.flatMap((definition) => {
      if (definition.kind === Kind.OPERATION_DEFINITION)
        return name === undefined ? [definition.selectionSet] : [];
      return definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === name
        ? [definition.selectionSet]
        : [];
    })[0];
  const waiting = [setOf(undefined)];
  let count = 0;
  while (waiting.length > 0) {
    for (const selection of waiting.pop()?.selections ?? []) {
      count += 1;
      if (count > limit) return count;
      waiting.push(
        selection.kind === Kind.FRAGMENT_SPREAD ? setOf(selection.name.value) : selection.selectionSet,
      );
    }
  }
  return count;
}

it('the limits count the selections of a document with its fragments expanded', () => {
  fc.assert(
    fc.property(documents, fc.integer({ min: 1, max: 300 }), (source, maxSelections) => {
      const isOver = expanded(source, maxSelections) > maxSelections;
      const open = { maxDepth: 1e9, maxAliases: 1e9, maxRootFields: 1e9, maxRepeats: 1e9 };
      const refused = refusals(source, { ...open, maxSelections }).some((text) =>
        text.includes('The operation has'),
      );
      expect(refused).toBe(isOver);
    }),
    { numRuns: 500 },
  );
});

const schema = buildSchema(`
  type Query { me: Person }
  type Person { name: String age: Int boss(first: Int): Person }
`);
const person = { name: 'n', age: 1, boss: () => person };

/**
 * Parses a document and counts the visits to its selections. `steps` returns the number of visits since its
 * last call.
 */
function watched(source: string): { readonly document: DocumentNode; steps(): number } {
  const document = parse(source);
  let steps = 0;
  visit(document, {
    enter(node) {
      const { kind } = node;
      if (kind !== Kind.FIELD && kind !== Kind.FRAGMENT_SPREAD && kind !== Kind.INLINE_FRAGMENT) return;
      Object.defineProperty(node, 'kind', {
        enumerable: true,
        get() {
          steps += 1;
          return kind;
        },
      });
    },
  });
  return {
    document,
    steps() {
      const since = steps;
      steps = 0;
      return since;
    },
  };
}

function fragmentsOf({ definitions }: DocumentNode): Record<string, FragmentDefinitionNode> {
  return Object.fromEntries(
    definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
}

/**
 * The maximum number of visits to each selection per stage. The compiler visits the selections of a field
 * again for each of up to 8 levels above the field.
 */
const maxVisits = { limits: 4, validation: 40, lookAhead: 4, cost: 4, compiling: 40, execution: 8 };

it('every stage visits each counted selection at most a constant number of times', () => {
  const table = createCostTable(schema, {});
  const limits = { ...defaultLimits, maxSelections: 500 };
  fc.assert(
    fc.property(documents, (source) => {
      const { document, steps } = watched(source);
      const operation = getOperationAST(document) as OperationDefinitionNode;
      const written = source.split(/[{ ]+/).length;
      const isRefused = exceededLimits(document, limits).length > 0;
      expect(steps()).toBeLessThanOrEqual(maxVisits.limits * written);
      if (isRefused) return;
      const counted = written + expanded(source, limits.maxSelections);
      const stages = {
        validation: () => validate(schema, document, specifiedRules),
        lookAhead: () => [...selectionsOf([operation.selectionSet], fragmentsOf(document))],
        cost: () => costOf(schema, table, document, operation),
        compiling: () => compile(schema, document, operation),
        execution: () => executeSync({ schema, document, rootValue: { me: person } }),
      };
      for (const [stage, run] of Object.entries(stages)) {
        run();
        const most = maxVisits[stage as keyof typeof maxVisits] * counted;
        expect(steps(), stage).toBeLessThanOrEqual(most);
      }
    }),
    { numRuns: 300 },
  );
});
