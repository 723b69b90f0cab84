import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
} from 'graphql';
import { type CostTable, itemSizes, listedItems, type Size } from './cost-table.ts';
import { type ArgumentValue, argumentValue, type Variables } from './variable-values.ts';

/** A number, or a function of the variables if the number depends on them. */
type Term = number | ((variables: Variables) => number);

export type CostOf = Exclude<Term, number>;

/** The number of bytes of an answer that cost as much as 1 object. */
const bytesPerCost = 4_096;

const amountOf = (term: Term, variables: Variables) => (typeof term === 'number' ? term : term(variables));
const bounded = (value: number) => Math.min(value, Number.MAX_SAFE_INTEGER);

function combine(a: Term, b: Term, operation: (x: number, y: number) => number): Term {
  if (typeof a === 'number' && typeof b === 'number') return bounded(operation(a, b));
  return (variables) => bounded(operation(amountOf(a, variables), amountOf(b, variables)));
}

const plus = (a: Term, b: Term) => {
  if (a === 0) return b;
  return b === 0 ? a : combine(a, b, (x, y) => x + y);
};
const times = (a: Term, b: Term) => (a === 0 || b === 0 ? 0 : combine(a, b, (x, y) => x * y));

/**
 * The cost of a selection set. Some lists in it have a size that the arguments of the parent field decide.
 * `lists` has the cost per entry of these lists.
 */
interface Measured {
  readonly fixed: Term;
  readonly lists: ReadonlyMap<Size, Term>;
}

const nothing: Measured = { fixed: 0, lists: new Map() };

function sum(a: Measured, b: Measured): Measured {
  if (a === nothing) return b;
  const lists = new Map(a.lists);
  for (const [size, cost] of b.lists) lists.set(size, plus(lists.get(size) ?? 0, cost));
  return { fixed: plus(a.fixed, b.fixed), lists };
}

/**
 * Returns a function that computes the cost of an operation from its variables. The cost covers the work of
 * the database and the size of the answer if every list is full. An object costs 1, 4 kB of text cost 1, and
 * a field costs the number in the cost table. A field in a list counts for each entry. `costOf` measures the
 * selections once. The function only reads the variables that decide the size of a list.
 */
export function costOf(
  schema: GraphQLSchema,
  table: CostTable,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): CostOf {
  const fragments = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
    ),
  );
  const measured = new Map<string, Measured>();

  function fragment(name: string): Measured {
    let measure = measured.get(name);
    if (!measure) {
      const definition = fragments.get(name);
      measure = definition
        ? selections(definition.selectionSet, definition.typeCondition.name.value)
        : nothing;
      measured.set(name, measure);
    }
    return measure;
  }

  function selections(set: SelectionSetNode, typeName: string): Measured {
    return set.selections.reduce<Measured>((total, selection) => {
      if (selection.kind === Kind.FIELD) return sum(total, fieldCost(selection, typeName));
      if (selection.kind === Kind.FRAGMENT_SPREAD) return sum(total, fragment(selection.name.value));
      return sum(total, selections(selection.selectionSet, selection.typeCondition?.name.value ?? typeName));
    }, nothing);
  }

  function fieldCost(node: FieldNode, typeName: string): Measured {
    const field = fieldOf(schema, typeName, node.name.value);
    if (!field) return nothing;
    const type = getNamedType(field.type).name;
    const entry = table.fields.get(`${typeName}.${field.name}`);
    const name = (node.alias ?? node.name).value;
    const read = (argument: string) => argumentValue(field, node.arguments ?? [], argument, operation);
    const below = node.selectionSet ? selections(node.selectionSet, type) : nothing;
    let inner = below.fixed;
    for (const [size, cost] of below.lists) inner = plus(inner, times(termOf(size, field, read), cost));
    const bytes = entry?.bytes ?? table.bytes.get(type) ?? 0;
    const each = plus(bytes / bytesPerCost + (table.objects.get(type) ?? 0), inner);
    const own = (entry?.weight ?? 0) + (name.length + punctuation) / bytesPerCost;
    const size = entry?.size;
    if (size === undefined) return { fixed: plus(own, each), lists: new Map() };
    if (size.of === 'parent') return { fixed: own, lists: new Map([[size, each]]) };
    return { fixed: plus(own, times(termOf(size, field, read), each)), lists: new Map() };
  }

  const root = schema.getRootType(operation.operation);
  const { fixed } = root ? selections(operation.selectionSet, root.name) : nothing;
  return (variables) => Math.floor(amountOf(fixed, variables));
}

/** The bytes of the quotes, the colon and the comma around a field of the answer. */
const punctuation = 4;

function termOf(
  { names, countsLists, entries }: Size,
  { args }: GraphQLField<unknown, unknown>,
  read: (name: string) => ArgumentValue,
): Term {
  // If no argument can contain a list, the result is a number instead of a function.
  const sizing = countsLists ? args.filter(({ type }) => mayHoldLists(type)).map(({ name }) => name) : names;
  const values = names.filter((name) => sizing.includes(name)).map(read);
  const term = (variables: Variables) => entries(...values.map((value) => value.read(variables)));
  return values.every(({ isConstant }) => isConstant) ? term(undefined) : term;
}

function mayHoldLists(type: GraphQLInputType): boolean {
  const nullable = getNullableType(type);
  if (!isInputObjectType(nullable)) return isListType(nullable);
  return Object.values(nullable.getFields()).some((field) => isListType(getNullableType(field.type)));
}

function fieldOf(
  schema: GraphQLSchema,
  typeName: string,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  const type = schema.getType(typeName);
  if (type === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

/**
 * Returns a function that counts the items in all lists of the arguments of a mutation, over all its fields.
 * A bulk mutation with 500 items counts 500. Queries and subscriptions count 0.
 */
export function itemsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): CostOf {
  const mutation = operation.operation === 'mutation' ? schema.getMutationType() : undefined;
  if (!mutation) return () => 0;
  let total: Term = 0;
  for (const node of rootFields(document, operation.selectionSet)) {
    const field = mutation.getFields()[node.name.value];
    if (!field) continue;
    const items = itemSizes[field.name] ?? {
      of: 'field',
      names: field.args.map(({ name }) => name),
      countsLists: true,
      entries: listedItems,
    };
    total = plus(
      total,
      termOf(items, field, (name) => argumentValue(field, node.arguments ?? [], name, operation)),
    );
  }
  return (variables) => amountOf(total, variables);
}

function rootFields(document: DocumentNode, { selections }: SelectionSetNode): readonly FieldNode[] {
  return selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootFields(document, selection.selectionSet);
    const fragment = document.definitions.find(
      (definition) =>
        definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
    ) as FragmentDefinitionNode | undefined;
    return fragment ? rootFields(document, fragment.selectionSet) : [];
  });
}
