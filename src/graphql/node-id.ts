import { name } from '../events/text.ts';

/** Per kind of node: the prefix of its ids, and how many parts name one among its kind. */
const kinds = {
  User: { prefix: 'usr', parts: 1 },
  Notification: { prefix: 'ntf', parts: 1 },
  PageView: { prefix: 'pgv', parts: 3 },
  Item: { prefix: 'itm', parts: 2 },
  Badge: { prefix: 'bdg', parts: 2 },
  UserLimit: { prefix: 'lim', parts: 2 },
  DeadLetter: { prefix: 'dlt', parts: 1 },
} as const;
export type NodeKind = keyof typeof kinds;

/** A global id: which kind of node, then what names it among its kind. Opaque to clients. */
export function nodeId(kind: NodeKind, ...parts: readonly string[]): string {
  return `${kinds[kind].prefix}_${Buffer.from(parts.join('\n')).toString('base64url')}`;
}

/** What a global id names; undefined when it is none of ours. */
export function parseNodeId(
  id: string,
): { readonly kind: NodeKind; readonly parts: readonly string[] } | undefined {
  const kind = (Object.keys(kinds) as NodeKind[]).find((name) => id.startsWith(`${kinds[name].prefix}_`));
  if (!kind) return undefined;
  const parts = Buffer.from(id.slice(kinds[kind].prefix.length + 1), 'base64url')
    .toString()
    .split('\n');
  // Written the same way again, or it was no id of ours: base64 readers forgive what they should not.
  if (nodeId(kind, ...parts) !== id || parts.length !== kinds[kind].parts) return undefined;
  if (!parts.every((part) => name.safeParse(part).success)) return undefined;
  // Milliseconds that the store can read as a moment.
  if (kind === 'PageView' && !/^\d{1,15}$/.test(parts[1] ?? '')) return undefined;
  return { kind, parts };
}
