import { Kind, type OperationDefinitionNode } from 'graphql';
import { AppError } from '../domain/error.ts';
import { maxBodyBytes } from './body.ts';

/** The maximum number of bytes of the body of an operation that is not a bulk mutation. */
export const maxPlainBodyBytes = 100_000;

const bulkMutations: ReadonlySet<string> = new Set([
  'recordPageViews',
  'recordItemViews',
  'sendNotifications',
  'publishItems',
  'retractItems',
  'upsertUsers',
  'ingestLimitEvents',
]);

/** Returns PAYLOAD_TOO_LARGE if the body is larger than the maximum for its operation. */
export function bodySizeError(
  operation: OperationDefinitionNode | undefined,
  bodyBytes: number,
): AppError | undefined {
  if (bodyBytes <= maxPlainBodyBytes || (operation && isBulk(operation))) return undefined;
  const message = `The body may have at most ${maxPlainBodyBytes} bytes, or ${maxBodyBytes} bytes for ${[...bulkMutations].join(', ')}.`;
  return new AppError('PAYLOAD_TOO_LARGE', message);
}

function isBulk({ selectionSet }: OperationDefinitionNode): boolean {
  return selectionSet.selections.every(
    (selection) => selection.kind === Kind.FIELD && bulkMutations.has(selection.name.value),
  );
}
