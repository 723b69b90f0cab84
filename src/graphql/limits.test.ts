import fc from 'fast-check';
import { Kind, parse, type SelectionSetNode } from 'graphql';
import { describe, expect, it } from 'vitest';
import { defaultLimits, exceededLimits, type OperationLimits } from './limits.ts';

/** What is refused, as `code: message`. */
const said = (document: string, limits: Partial<OperationLimits> = {}) =>
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
    expect(said(document, { [limit]: amount })).toEqual([]);
    expect(said(document, { [limit]: amount - 1 })).toEqual([
      expect.stringMatching(
        new RegExp(`^[A-Z_]+: The (operation|document) .*\\b${amount} .*; ${amount - 1} are allowed`),
      ),
    ]);
  });

  it('hold for every operation of a document, whichever runs', () => {
    expect(said('query A { me { name } } query B { me { name age boss } }', { maxSelections: 3 })).toEqual([
      'QUERY_TOO_COMPLEX: The operation has 4 selections; 3 are allowed.',
    ]);
  });

  it('hold for a fragment that no operation spreads', () => {
    expect(said('{ me } fragment A on Person { name age boss }', { maxSelections: 2 })).toEqual([
      'QUERY_TOO_COMPLEX: The fragment has 3 selections; 2 are allowed.',
    ]);
  });

  it('count no further than an exact number', () => {
    expect(said(doubling(2_000))).toContain(
      `QUERY_TOO_COMPLEX: The fragment has ${2 ** 53 - 1} selections; 2000 are allowed.`,
    );
  });

  it('end at a cycle, which the validation refuses', () => {
    expect(
      said('{ me { ...A } } fragment A on Person { boss { ...B } } fragment B on Person { boss { ...A } }'),
    ).toEqual([]);
  });
});

/** `count` fragments, each of which spreads the next one twice. */
function doubling(count: number): string {
  const fragments = Array.from(
    { length: count },
    (_, i) => `fragment F${i} on Person { ...F${i + 1} ...F${i + 1} }`,
  );
  // The last first, so that no recursion is deeper than two fragments.
  return `fragment F${count} on Person { name } ${fragments.reverse().join(' ')} { me { ...F0 } }`;
}

/** A selection set whose fragments are those behind `from`, so that there is no cycle. */
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
    [operation, ...bodies.map((body, n) => `fragment F${n} on Person ${body}`)].join(' '),
  );

/** Selections with every fragment written out, up to a limit. */
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

it('selections are counted as many as a document has with its fragments written out', () => {
  fc.assert(
    fc.property(documents, fc.integer({ min: 1, max: 300 }), (source, maxSelections) => {
      const isOver = expanded(source, maxSelections) > maxSelections;
      const open = { maxDepth: 1e9, maxAliases: 1e9, maxRootFields: 1e9, maxRepeats: 1e9 };
      const refused = said(source, { ...open, maxSelections }).some((text) =>
        text.includes('The operation has'),
      );
      expect(refused).toBe(isOver);
    }),
    { numRuns: 500 },
  );
});
