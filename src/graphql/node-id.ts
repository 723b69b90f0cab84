/** Global ids: which kind of node, then what names it among its kind. Opaque to clients. */
const prefixes = { User: 'usr', Notification: 'ntf', PageView: 'pgv', Badge: 'bdg' } as const;
export type NodeKind = keyof typeof prefixes;

export function nodeId(kind: NodeKind, ...parts: readonly string[]): string {
  return `${prefixes[kind]}_${Buffer.from(parts.join('\n')).toString('base64url')}`;
}

/** What a global id names; undefined when it is none of ours. */
export function parseNodeId(
  id: string,
): { readonly kind: NodeKind; readonly parts: readonly string[] } | undefined {
  const kind = (Object.keys(prefixes) as NodeKind[]).find((name) => id.startsWith(`${prefixes[name]}_`));
  if (!kind) return undefined;
  const parts = Buffer.from(id.slice(prefixes[kind].length + 1), 'base64url')
    .toString()
    .split('\n');
  // Written the same way again, or it was no id of ours: base64 readers forgive what they should not.
  return nodeId(kind, ...parts) === id ? { kind, parts } : undefined;
}
