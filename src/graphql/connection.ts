import { type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { AppError } from '../domain/error.ts';
import { type UserKey, userKeyOf } from '../domain/user.ts';
import type { Slice } from '../flow/read/slice.ts';
import { Computed } from './computed.ts';

@ObjectType({ description: 'The position of a page in the list.', simpleResolvers: true })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether more entries follow this page.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether this page was requested with `after`.' })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the first entry. Null if the page is empty.',
  })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the last entry. To get the next page, pass this cursor as `after`.',
  })
  endCursor!: string | null;
}

interface ConnectionOptions {
  readonly node: ClassType;
  readonly description: string;
  readonly edge: { readonly description: string; readonly cursor?: string };
  /** The description of `edges`. */
  readonly edges?: string;
  /**
   * Whether the connection has the field `nodes`, which lists the entries without their cursors. Defaults to
   * true.
   */
  readonly hasNodes?: boolean;
  /** The description of `totalCount`. If it is absent, the connection has no `totalCount`. */
  readonly totalCount?: string;
  /** The badge that counts the list. If it is absent, the connection has no `badge`. */
  readonly badge?: { readonly type: ClassType; readonly nullable?: true; readonly description: string };
}

/**
 * Creates the types `NameConnection` and `NameEdge` of a list. `totalCount` and `badge` are computed only if
 * they are selected.
 */
export function createConnection(name: string, options: ConnectionOptions): ClassType {
  const { node, description, edge, edges, hasNodes = true, totalCount, badge } = options;

  @ObjectType(`${name}Edge`, { simpleResolvers: true, description: edge.description })
  class EdgeType {
    @Field(() => String, { description: edge.cursor ?? 'The cursor of this entry, for `after`.' })
    cursor!: string;

    @Field(() => node)
    node!: unknown;
  }

  @ObjectType(`${name}Connection`, { simpleResolvers: true, description })
  class ConnectionType {
    @Field(() => [EdgeType], { description: edges ?? 'The entries with their cursors.' })
    edges!: readonly EdgeType[];

    @Field(() => PageInfo, { description: 'The position of this page in the list.' })
    pageInfo!: PageInfo;
  }

  const target = ConnectionType.prototype;
  if (hasNodes) Field(() => [node], { description: 'The entries.' })(target, 'nodes');
  if (totalCount !== undefined) {
    Field(() => Int, { description: totalCount })(target, 'totalCount');
    Computed()(target, 'totalCount');
  }
  if (badge) {
    const { type, ...fieldOptions } = badge;
    Field(() => type, fieldOptions)(target, 'badge');
    Computed()(target, 'badge');
  }
  return ConnectionType;
}

/** The size of a page, and the cursor of the last entry before the page. */
export interface PageRequest {
  readonly first: number;
  readonly after: string | undefined;
}

const defaultPageSize = 25;

/** Options of the argument `first` of a list. */
export const firstArg = {
  nullable: true,
  defaultValue: defaultPageSize,
  description: 'The page size, 1 to 100.',
};

/** Options of the argument `after` of a list. */
export const afterArg = {
  nullable: true,
  description:
    'The cursor of the last entry of the previous page. If absent, the page begins with the newest entry.',
};

/** The arguments of a list with their defaults. Throws BAD_USER_INPUT if the page size is not 1 to 100. */
export function pageRequest(first: number | null, after: string | null | undefined): PageRequest {
  const size = first ?? defaultPageSize;
  if (size < 1 || size > 100) throw new AppError('BAD_USER_INPUT', 'first must be 1 to 100.');
  return { first: size, after: after ?? undefined };
}

interface Page<Node> {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfo;
}

/** One page of a list. */
export function pageOf<Row, Node>(
  { rows, hasMore }: Slice<Row>,
  { after }: PageRequest,
  { cursorOf, nodeOf }: { readonly cursorOf: (row: Row) => string; readonly nodeOf: (row: Row) => Node },
): Page<Node> {
  const edges = rows.map((row) => ({ cursor: cursorOf(row), node: nodeOf(row) }));
  const pageInfo = {
    hasNextPage: hasMore,
    hasPreviousPage: after !== undefined,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  return { edges, nodes: edges.map(({ node }) => node), pageInfo };
}

/** The lists that have cursors. */
export type ListName =
  | 'notifications'
  | 'scheduledNotifications'
  | 'notificationStream'
  | 'pageViews'
  | 'items'
  | 'deadLetters'
  | 'users'
  | 'explain'
  | 'history';

/**
 * The owner of a list: a user or a tenant. The name of a tenant contains no slash, so it never equals the key
 * of a user.
 */
type Owner = UserKey | { readonly tenantId: string; readonly userId?: never };

const nameOf = (owner: Owner) => (owner.userId === undefined ? owner.tenantId : userKeyOf(owner));

/**
 * Creates an opaque keyset cursor. The cursor contains the list, the owner of the list and a position in the
 * list.
 */
export function encodeCursor(list: ListName, owner: Owner, place: readonly string[]): string {
  return Buffer.from(JSON.stringify([list, nameOf(owner), ...place])).toString('base64url');
}

/**
 * Returns the position that a cursor contains. Throws BAD_USER_INPUT if the cursor is invalid, or belongs to
 * another list or another owner.
 */
export function decodeCursor(
  cursor: string,
  list: ListName,
  owner: Owner,
  isPlace: (place: readonly string[]) => boolean,
): readonly string[] {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts[0] === list && parts[1] === nameOf(owner)) {
    const place = parts.slice(2);
    if (place.every((part) => typeof part === 'string') && isPlace(place)) return place;
  }
  throw new AppError(
    'BAD_USER_INPUT',
    `The cursor does not belong to this list. Pass a cursor that ${list} returned.`,
  );
}
