import { name } from '../events/text.ts';

/** The kinds of nodes. Each kind has a prefix for its ids, and a number of parts that identify one node. */
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

/**
 * Creates a global id, which is opaque to clients. The id contains the kind of the node and the parts that
 * identify the node.
 */
export function nodeId(kind: NodeKind, ...parts: readonly string[]): string {
  return `${kinds[kind].prefix}_${Buffer.from(parts.join('\n')).toString('base64url')}`;
}

/** Reads the kind and the parts from a global id. Returns undefined if Unseen did not create the id. */
export function parseNodeId(
  id: string,
): { readonly kind: NodeKind; readonly parts: readonly string[] } | undefined {
  const kind = (Object.keys(kinds) as NodeKind[]).find((name) => id.startsWith(`${kinds[name].prefix}_`));
  if (!kind) return undefined;
  const parts = Buffer.from(id.slice(kinds[kind].prefix.length + 1), 'base64url')
    .toString()
    .split('\n');
  // Base64 decoders ignore invalid characters, so several texts decode to the same parts. Only the text that
  // `nodeId` creates from the parts is valid.
  if (nodeId(kind, ...parts) !== id || parts.length !== kinds[kind].parts) return undefined;
  if (!parts.every((part) => name.safeParse(part).success)) return undefined;
  // The second part is a time in milliseconds. The store accepts at most 15 digits.
  if (kind === 'PageView' && !/^\d{1,15}$/.test(parts[1] ?? '')) return undefined;
  return { kind, parts };
}
