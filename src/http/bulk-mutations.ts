import { Kind, type OperationDefinitionNode } from 'graphql';
import { AppError } from '../domain/error.ts';
import { maxBodyBytes } from './body.ts';

/** Bodies up to here are read for every operation; larger ones only for bulk mutations. */
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

/** PAYLOAD_TOO_LARGE when a body has more bytes than its operation allows. */
export function bodySizeError(
  operation: OperationDefinitionNode | undefined,
  bodyBytes: number,
): AppError | undefined {
  if (bodyBytes <= maxPlainBodyBytes || (operation && isBulk(operation))) return undefined;
  const message = `The body may have ${maxPlainBodyBytes} bytes; ${maxBodyBytes} for ${[...bulkMutations].join(', ')}.`;
  return new AppError('PAYLOAD_TOO_LARGE', message);
}

function isBulk({ selectionSet }: OperationDefinitionNode): boolean {
  return selectionSet.selections.every(
    (selection) => selection.kind === Kind.FIELD && bulkMutations.has(selection.name.value),
  );
}
