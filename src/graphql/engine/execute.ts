import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FormattedExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
  type OperationDefinitionNode,
} from 'graphql';
import type { Logger } from '../../ports/logger.ts';
import type { Context } from './context.ts';
import { httpStatus, maskError } from './error.ts';
import type { Operations } from './operation.ts';
import { readProperty } from './read-property.ts';
import type { Variables } from './variable-values.ts';

/**
 * Charges the caller for an operation before the operation runs. Several calls for the same operation charge
 * the caller only once. Throws if the caller exceeds a limit. Returns undefined if the operation may run now.
 * Otherwise returns a promise that resolves when the operation may run.
 */
export type AdmitOperation = (
  operation: OperationDefinitionNode,
  variables: Variables,
) => Promise<void> | undefined;

/** The result of a request as the client may see it, and its HTTP status. */
export interface Answer {
  readonly result: FormattedExecutionResult;
  readonly status: number;
  /** The number of seconds until a retry can succeed. undefined if that time is not known. */
  readonly retryAfter: number | undefined;
}

interface ExecutionRequest {
  /** A prepared document. */
  readonly document: DocumentNode;
  /** A query or a mutation of the document. */
  readonly operation: OperationDefinitionNode;
  readonly variables: Variables;
  readonly context: Context;
  readonly admit: AdmitOperation;
}

/**
 * The steps that every transport uses for every operation: prepare, limit, execute, mask errors, choose the
 * status.
 */
export interface Execution extends Pick<Operations, 'prepare' | 'cost' | 'items' | 'excess'> {
  /**
   * Executes a query or a mutation. Rejects with the error if `admit` refuses the operation. All other errors
   * are in the answer.
   */
  run(request: ExecutionRequest): Promise<Answer>;
  /** The answer to a request that does not run. */
  refuse(errors: readonly GraphQLError[], requestId: string): Answer;
  /** The part of an error that the client may see. Errors that the client did not cause are logged. */
  mask(error: unknown, requestId: string): GraphQLFormattedError;
}

export function createExecution({
  operations,
  logger,
}: {
  readonly operations: Operations;
  readonly logger: Logger;
}): Execution {
  const { prepare, cost, items, excess } = operations;
  const hideSuggestions = !operations.introspection;

  const mask = (error: unknown, requestId: string) =>
    maskError(error, { requestId, hideSuggestions, logger });

  function answerOf({ data, errors }: ExecutionResult, requestId: string): Answer {
    if (!errors) return { result: { data: data ?? null }, status: 200, retryAfter: undefined };
    const masked = errors.map((error) => mask(error, requestId));
    const result = { errors: masked, ...(data !== undefined && { data }) };
    return { result, status: statusOf(result), retryAfter: retryAfterOf(result) };
  }

  return {
    prepare,
    cost,
    items,
    excess,
    mask,
    refuse: (errors, requestId) => answerOf({ errors }, requestId),
    async run({ document, operation, variables, context, admit }) {
      const tooMuch = excess(operation, variables);
      if (tooMuch) return answerOf({ errors: [tooMuch] }, context.requestId);
      const turn = admit(operation, variables);
      if (turn) await turn;
      const ran = operations.execute({ document, operation, variables: variables ?? undefined, context });
      return answerOf(await ran, context.requestId);
    },
  };
}

/**
 * Returns the HTTP status of an answer. An answer without data gets the status of its first error, for
 * clients and proxies that read only the status.
 */
export function statusOf({ data, errors }: FormattedExecutionResult): number {
  if (data || !errors) return 200;
  return httpStatus[String(errors[0]?.extensions?.['code'])] ?? 500;
}

/**
 * Returns the number of seconds after which the client may retry, or undefined if the first error gives no
 * retry time.
 */
export function retryAfterOf({ errors }: FormattedExecutionResult): number | undefined {
  const retryAfter = errors?.[0]?.extensions?.['retryAfter'];
  return typeof retryAfter === 'number' ? retryAfter : undefined;
}

/** Executes a subscription for one event. The result is not masked. */
export function executeEvent(
  args: ExecutionArgs,
  event: unknown,
  contextValue: Pick<Context, 'container'>,
): ExecutionResult | Promise<ExecutionResult> {
  return execute({ ...args, rootValue: event, contextValue, fieldResolver: readProperty });
}
