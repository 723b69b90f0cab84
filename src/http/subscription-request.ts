import {
  type DocumentNode,
  type GraphQLError,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import { AppError } from '../domain/error.ts';
import { graphQLErrorOf } from '../graphql/engine/error.ts';
import type { Execution } from '../graphql/engine/execute.ts';
import { declaredVariables, type Variables } from '../graphql/engine/variable-values.ts';
import type { SubscriptionLimits } from './socket-limits.ts';

/** The payload of a `subscribe` message. */
export interface SubscribePayload {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Variables;
}

/** A subscription that passed the checks. */
export interface RequestedSubscription {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** The variables that the operation declares. Other variables are dropped. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Reads a `subscribe` message. Returns errors if the subscription must not run. */
export function readSubscription(
  execution: Execution,
  limits: SubscriptionLimits,
  id: string,
  { query, operationName, variables: given }: SubscribePayload,
): RequestedSubscription | readonly GraphQLError[] {
  const document = execution.prepare(query);
  if ('length' in document) return document;
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
    return badInput(
      operation
        ? 'Only subscriptions run over WebSocket. Send queries and mutations by HTTP POST to the same URL.'
        : 'The document has no operation with this operationName, or it has several operations and operationName is missing.',
    );
  }
  const variables = declaredVariables(operation, given);
  const tooLarge = sizeProblem({ id, tokens: document.tokenCount, variables }, limits);
  if (tooLarge !== undefined) return badInput(tooLarge);
  const excess = execution.excess(operation, variables);
  return excess ? [excess] : { document, operation, variables };
}

const badInput = (message: string) => [graphQLErrorOf(new AppError('BAD_USER_INPUT', message))];

/**
 * Returns an error text if a part of the subscription is too large. Open subscriptions keep these parts in
 * memory.
 */
function sizeProblem(
  {
    id,
    tokens = 0,
    variables,
  }: { readonly id: string; readonly tokens: number | undefined; readonly variables: object },
  max: SubscriptionLimits,
): string | undefined {
  const allowed = (what: string, count: number) => `${what} of a subscription may have at most ${count}`;
  if (id.length > max.idCharacters) return `${allowed('The id', max.idCharacters)} characters.`;
  if (tokens > max.tokens)
    return `${allowed('The document', max.tokens)} tokens. This document has ${tokens}.`;
  if (lengthAsJson(variables) <= max.variablesCharacters) return undefined;
  return `${allowed('The variables', max.variablesCharacters)} characters as JSON.`;
}

/** The length of a value as JSON. Infinity if the value is nested too deeply for JSON. */
function lengthAsJson(value: unknown): number {
  try {
    return JSON.stringify(value).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
