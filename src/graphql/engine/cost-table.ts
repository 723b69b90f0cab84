import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
} from 'graphql';
import { maxBuckets, maxShownTypes } from '../../domain/activity.ts';
import { maxItems } from '../../events/item-view.ts';

/**
 * The maximum number of entries in a list. The number is computed from arguments of the field (`field`) or of
 * its parent field (`parent`).
 */
export interface Size {
  readonly of: 'field' | 'parent';
  /** The names of the arguments that are passed to `entries`, in this order. */
  readonly names: readonly string[];
  /**
   * Whether `entries` counts the items of lists in the arguments. If true, arguments whose type contains no
   * list are skipped.
   */
  readonly countsLists?: true;
  entries(...values: readonly unknown[]): number;
}

/** The cost of a field in addition to the objects and the text in its result. */
interface FieldCost {
  /** The size of the list, if the field is a list. */
  readonly size?: Size;
  /** The work of the database. 1 is the work of reading 1 object by its key. */
  readonly weight?: number;
  /** The maximum number of bytes of a leaf. Only needed if it differs from the number for its type. */
  readonly bytes?: number;
}

/** Maps `Type.field` to the cost of the field. */
export type FieldCosts = Readonly<Record<string, FieldCost>>;

/** The costs of the fields, objects and leaves of a schema. */
export interface CostTable {
  /** Maps `Type.field` to the cost of the field. */
  readonly fields: ReadonlyMap<string, FieldCost>;
  /** Maps the name of a type to the cost of an object of the type. */
  readonly objects: ReadonlyMap<string, number>;
  /** Maps the name of a leaf type to the bytes of a leaf of the type. */
  readonly bytes: ReadonlyMap<string, number>;
}

/** The maximum page size. */
const maxPageSize = 100;

/** The maximum number of badges in one field, and in one subscription. */
export const maxBadges = 100;

export const always = (entries: number): Size => ({ of: 'field', names: [], entries: () => entries });

/** Returns the value, but at least 1 and at most `max`. Returns `max` if the value is not a number. */
const within = (value: unknown, max: number): number =>
  typeof value === 'number' && !Number.isNaN(value) ? Math.min(Math.max(value, 1), max) : max;

/** The size of a page with the argument `first`. */
export const page = (defaultSize: number, of: Size['of']): Size => ({
  of,
  names: ['first'],
  entries: (first) => within(first ?? defaultSize, maxPageSize),
});

const defaultPageSize = 25;
const pageOfParent = page(defaultPageSize, 'parent');

/**
 * Returns a string unchanged, and an empty string for every other value. `String()` would throw for some
 * values, because they are not coerced yet.
 */
const textOf = (value: unknown) => (typeof value === 'string' ? value : '');

/**
 * Counts the entries of lists in the arguments of a mutation, including lists in the fields of an input
 * object.
 */
export function listedItems(...values: readonly unknown[]): number {
  let count = 0;
  for (const value of values) {
    if (Array.isArray(value)) count += value.length;
    else if (typeof value === 'object' && value !== null)
      for (const field of Object.values(value)) if (Array.isArray(field)) count += field.length;
  }
  return count;
}

/** The sizes of mutations whose input gives the number of items without a list. */
export const itemSizes: Readonly<Record<string, Size>> = {
  importUserRange: {
    of: 'field',
    names: ['input'],
    entries(input) {
      const { fromId, toIdExclusive } = (input ?? {}) as {
        readonly fromId?: unknown;
        readonly toIdExclusive?: unknown;
      };
      const areNumbers = typeof fromId === 'number' && typeof toIdExclusive === 'number';
      return within(areNumbers ? toIdExclusive - fromId : undefined, 10_000);
    },
  },
};

const listArguments = ['input', 'events', 'ids'];
const perItem: Size = {
  of: 'parent',
  names: listArguments,
  countsLists: true,
  entries: (...values) => within(listedItems(...values), maxItems),
};

const milliseconds: ReadonlyMap<string, number> = new Map([
  ['MINUTE', 60_000],
  ['HOUR', 3_600_000],
  // The shortest day has 23 hours, because the clocks go forward.
  ['DAY', 23 * 3_600_000],
]);

/** The number of buckets that a range touches. */
const buckets: Size = {
  of: 'field',
  names: ['range', 'granularity'],
  entries(range, granularity) {
    const { from, to } = (range ?? {}) as { readonly from?: unknown; readonly to?: unknown };
    const length = milliseconds.get(textOf(granularity)) ?? 0;
    const count = Math.ceil((Date.parse(textOf(to)) - Date.parse(textOf(from))) / length) + 1;
    return within(count, maxBuckets);
  },
};

/** The number of days in a window of stats. */
const days: Size = {
  of: 'parent',
  names: ['window'],
  entries(window) {
    const { days = 7 } = (window ?? {}) as { readonly days?: unknown };
    return within(days, maxDays);
  },
};

/** The maximum number of days in a window, which is the longest retention that can be configured. */
const maxDays = 3_650;

const keys: Size = {
  of: 'field',
  names: ['keys'],
  entries: (keys) => within(Array.isArray(keys) ? keys.length : undefined, maxBadges),
};

/** The cost of one statement that reads many rows. */
const statement = 10;
/**
 * The cost of reading all page views of a window. The database needs 20 ms for 20 000 views, and 0.2 ms for a
 * row by its key.
 */
const scan = 50;

/**
 * The sizes of lists that are not pages, and the costs of fields that cost more than the objects in their
 * results. The lists `nodes` and `edges` of a connection need no entry, because they have the page size.
 * `userErrors` has at most one entry for each item of the mutation.
 */
const fieldCosts: FieldCosts = {
  'Query.activityMetrics': { size: buckets, weight: scan },
  'ActivityBucket.byType': { size: always(maxShownTypes) },
  // `limits` returns at most 500 limits. Users usually have 10, which one statement reads.
  'User.limits': { size: always(50) },
  'User.badges': { size: keys },
  'User.stats': { weight: scan },
  'UserStats.byDay': { size: days },
  'UserStats.topPages': { size: page(5, 'field') },
  'UserLimit.history': { weight: statement },
  'Badge.explain': { weight: statement },
  'Badge.byCategory': { size: always(100), weight: statement },
  'NotificationPreferences.categories': { size: always(200) },
  'NotificationsChanged.ids': { size: always(1_000) },
  'PublishItemsPayload.items': { size: perItem },
  'IngestLimitEventsPayload.results': { size: perItem },
  'RecordPageViewsPayload.eventIds': { size: perItem },
  'SendNotificationsPayload.notificationIds': { size: perItem },
  'UserError.path': { size: always(5) },
  'NotificationConnection.totalCount': { weight: statement },
  'PageViewConnection.totalCount': { weight: statement },
  'ItemConnection.totalCount': { weight: statement },
  'UserConnection.totalCount': { weight: statement },
  'DeadLetterConnection.totalCount': { weight: statement },
  'Query.systemStatus': { weight: scan },
  'Mutation.markNotifications': { weight: scan },
  'Mutation.reconcileBadge': { weight: scan },
  'Mutation.eraseUser': { weight: scan },
  // Texts that can be longer than the bytes of their type.
  'Notification.title': { bytes: 600 },
  'Notification.body': { bytes: 12_000 },
  'Notification.actionUrl': { bytes: 2_000 },
  'Item.title': { bytes: 600 },
  'PageView.name': { bytes: 1_500 },
  'PageView.path': { bytes: 6_000 },
  'PageStat.name': { bytes: 1_500 },
  'TypeCount.activityType': { bytes: 16 },
  'TypeCount.count': { bytes: 6 },
  'DeadLetter.payload': { bytes: 16_384 },
  '__Type.description': { bytes: 200 },
  '__Field.description': { bytes: 200 },
  '__InputValue.description': { bytes: 100 },
  '__EnumValue.description': { bytes: 100 },
  '__Directive.description': { bytes: 200 },
};

/**
 * Types whose objects cost only their text. The process reads hundreds of these objects with one statement,
 * or has them in memory.
 */
const lightObjects: ReadonlySet<string> = new Set([
  'ActivityBucket',
  'CategoryCount',
  'CategoryPreference',
  'DayStat',
  'IngestResult',
  'PageStat',
  'TypeCount',
  'UserError',
]);

/**
 * The number of bytes of a leaf whose type has no entry in `bytesOfLeaf`. Such leaves have at most 36
 * characters.
 */
const leafBytes = 40;
const bytesOfLeaf: Readonly<Record<string, number>> = { JSONObject: 16_384, Int: 8, Float: 12, Boolean: 5 };

/** Creates the cost table of a schema. Throws if a list has no size, or a connection has no page size. */
export function createCostTable(schema: GraphQLSchema, costs: FieldCosts = fieldCosts): CostTable {
  const fields = new Map<string, FieldCost>();
  const objects = new Map<string, number>();
  const bytes = new Map<string, number>();
  const introspection = introspectionSizes(schema);
  for (const type of Object.values(schema.getTypeMap())) {
    const isLight = lightObjects.has(type.name) || type.name.startsWith('__');
    if (isLeafType(type)) bytes.set(type.name, bytesOfLeaf[type.name] ?? leafBytes);
    else objects.set(type.name, isLight ? 0 : 1);
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const name = `${type.name}.${field.name}`;
      const cost = costs[name] ?? {};
      const size = cost.size ?? introspection.get(name) ?? sizeByName(type.name, field.name);
      if (size && isListType(getNullableType(field.type))) fields.set(name, { ...cost, size });
      else fields.set(name, cost);
      checkSize(name, field, size);
    }
  }
  return { fields, objects, bytes };
}

function checkSize(name: string, field: GraphQLField<unknown, unknown>, size: Size | undefined): void {
  if (isListType(getNullableType(field.type)) && !size)
    throw new Error(`${name} is a list without a size. Add its size to src/graphql/engine/cost-table.ts.`);
  const isConnection = getNamedType(field.type).name.endsWith('Connection');
  if (isConnection && !field.args.some((argument) => argument.name === 'first'))
    throw new Error(`${name} is a connection without a size. Give it the argument first.`);
}

/** The size of a list that has the same size in every type. */
function sizeByName(typeName: string, fieldName: string): Size | undefined {
  if (fieldName === 'userErrors') return perItem;
  const isPage = typeName.endsWith('Connection') && (fieldName === 'nodes' || fieldName === 'edges');
  return isPage ? pageOfParent : undefined;
}

/**
 * Returns the mean size of each introspection list of this schema. The product of these sizes along nested
 * lists gives the size of the whole schema.
 */
function introspectionSizes(schema: GraphQLSchema): ReadonlyMap<string, Size> {
  const types = Object.values(schema.getTypeMap());
  const fields = types.flatMap((type) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [],
  );
  const count = (list: (type: GraphQLNamedType) => number) =>
    types.reduce((sum, type) => sum + list(type), 0);
  const perType = (list: (type: GraphQLNamedType) => number) => always(count(list) / types.length);
  const directives = schema.getDirectives();
  const mean = (lists: readonly (readonly unknown[])[]) =>
    always(lists.reduce((sum, list) => sum + list.length, 0) / Math.max(lists.length, 1));
  return new Map([
    ['__Schema.types', always(types.length)],
    ['__Schema.directives', always(directives.length)],
    ['__Type.fields', always(fields.length / types.length)],
    ['__Type.interfaces', perType((type) => (isObjectType(type) ? type.getInterfaces().length : 0))],
    [
      '__Type.possibleTypes',
      perType((type) => (isAbstractType(type) ? schema.getPossibleTypes(type).length : 0)),
    ],
    ['__Type.enumValues', perType((type) => (isEnumType(type) ? type.getValues().length : 0))],
    [
      '__Type.inputFields',
      perType((type) => (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0)),
    ],
    ['__Field.args', mean(fields.map(({ args }) => args))],
    ['__Directive.args', mean(directives.map(({ args }) => args))],
    ['__Directive.locations', mean(directives.map(({ locations }) => locations))],
  ]);
}
