import { Field, ObjectType } from 'type-graphql';
import { AppError } from '../domain/error.ts';
import { type UserKey, userKeyOf } from '../domain/user.ts';

@ObjectType({ description: 'Where a page lies in its list.', simpleResolvers: true })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether entries follow the last one of this page.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether this page was asked for with `after`.' })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the first entry; null when the page is empty.',
  })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last entry: pass it as `after` for the next page.',
  })
  endCursor!: string | null;
}

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** One page of a list whose rows were read with one more than asked for, to know whether there are more. */
export function pageOf<Node>(
  rows: readonly Node[],
  { first, after }: { readonly first: number; readonly after?: string | undefined },
  cursorOf: (node: Node) => string,
): { readonly edges: readonly Edge<Node>[]; readonly nodes: readonly Node[]; readonly pageInfo: PageInfo } {
  const nodes = rows.slice(0, first);
  const edges = nodes.map((node) => ({ cursor: cursorOf(node), node }));
  const pageInfo = {
    hasNextPage: rows.length > first,
    hasPreviousPage: after !== undefined,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  };
  return { edges, nodes, pageInfo };
}

/** Refuses a page size outside 1..100. */
export function checkFirst(first: number): void {
  if (first < 1 || first > 100) throw new AppError('BAD_USER_INPUT', 'first must be 1 to 100.');
}

/** Lists that have cursors. */
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

/** Whose list it is: a user's, or the tenant's. A tenant has no slash, so the two cannot be mistaken. */
type Owner = UserKey | { readonly tenantId: string; readonly userId?: never };

const nameOf = (owner: Owner) => (owner.userId === undefined ? owner.tenantId : userKeyOf(owner));

/** An opaque keyset cursor: the list, its owner and the place in the list. */
export function encodeCursor(list: ListName, owner: Owner, place: readonly string[]): string {
  return Buffer.from(JSON.stringify([list, nameOf(owner), ...place])).toString('base64url');
}

/**
 * The place a cursor names. Rejects with BAD_USER_INPUT when it is not a cursor of that list of that owner: a cursor of
 * another list or owner names no place here.
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
    `The cursor does not belong to this list: pass one that ${list} answered here.`,
  );
}
