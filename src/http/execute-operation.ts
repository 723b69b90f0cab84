import {
  type DocumentNode,
  type GraphQLError,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import type { Context } from '../graphql/engine/context.ts';
import { httpStatus, maskError } from '../graphql/engine/error.ts';
import type { Operations } from '../graphql/engine/operation.ts';
import type { Variables } from '../graphql/engine/variable-values.ts';
import type { Logger } from '../ports/logger.ts';

/**
 * Charges a caller for an operation before it runs; once, however often it is called. Throws when that is too much. undefined
 * when the operation may run now; otherwise the promise resolves when its turn has come.
 */
export type AdmitOperation = (
  operation: OperationDefinitionNode,
  variables: Variables,
) => Promise<void> | undefined;

/** What is answered. */
export interface Answered {
  readonly status: number;
  /** In seconds. */
  readonly retryAfter: number | undefined;
  readonly json: string;
}

/**
 * Runs a request that has nothing wrong with it the way the sockets run theirs: its document, which is prepared, is
 * executed, and the answer masked and written. Apollo's pipeline around the same steps costs as much as the steps.
 *
 * undefined when nothing ran, for whatever reason: what is wrong with a request is for Apollo to say.
 */
export async function executeOperation(
  {
    operations,
    admit,
    logger,
  }: { readonly operations: Operations; readonly admit: AdmitOperation; readonly logger: Logger },
  body: object,
  document: DocumentNode,
  contextValue: Context,
): Promise<Answered | undefined> {
  const { variables, operationName, extensions } = body as Readonly<Record<string, unknown>>;
  if (extensions !== undefined) return undefined;
  if (!isVariables(variables) || !isName(operationName)) return undefined;
  const operation = getOperationAST(document, operationName);
  if (!operation || operation.operation === OperationTypeNode.SUBSCRIPTION) return undefined;
  if (operations.excess(operation, variables)) return undefined;
  const turn = admit(operation, variables);
  if (turn) await turn;

  const { data, errors } = await operations.execute({
    document,
    operation,
    variables: variables ?? undefined,
    context: contextValue,
  });
  // The variables did not fit, so nothing ran.
  if (data === undefined) return undefined;
  if (!errors) return { status: 200, retryAfter: undefined, json: JSON.stringify({ data }) };
  const { requestId } = contextValue;
  const mask = (error: GraphQLError) =>
    maskError(error, { requestId, hideSuggestions: !operations.introspection, logger });
  const masked = errors.map(mask);
  // An answer without data takes the status of its error, for clients and proxies that look no further.
  const { code, retryAfter } = masked[0]?.extensions ?? {};
  const status = data === null ? (httpStatus[String(code)] ?? 500) : 200;
  return {
    status,
    retryAfter: typeof retryAfter === 'number' ? retryAfter : undefined,
    json: JSON.stringify({ errors: masked, data }),
  };
}

function isVariables(value: unknown): value is Record<string, unknown> | null | undefined {
  return value === undefined || (typeof value === 'object' && !Array.isArray(value));
}

function isName(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string';
}
