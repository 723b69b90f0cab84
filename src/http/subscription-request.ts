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

/** A subscription that may run. */
export interface RequestedSubscription {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** Those that the operation declares. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Reads a `subscribe` message. Returns what is wrong with it when it must not run. */
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
        ? 'Over the WebSocket only subscriptions are allowed; send this one by HTTP POST to the same URL.'
        : 'The document has no operation of that name, or several and none was named.',
    );
  }
  const variables = declaredVariables(operation, given);
  const tooLarge = sizeProblem({ id, tokens: document.tokenCount, variables }, limits);
  if (tooLarge !== undefined) return badInput(tooLarge);
  const excess = execution.excess(operation, variables);
  return excess ? [excess] : { document, operation, variables };
}

const badInput = (message: string) => [graphQLErrorOf(new AppError('BAD_USER_INPUT', message))];

/** What is too large to be kept while a subscription is open. */
function sizeProblem(
  {
    id,
    tokens = 0,
    variables,
  }: { readonly id: string; readonly tokens: number | undefined; readonly variables: object },
  max: SubscriptionLimits,
): string | undefined {
  const allowed = (what: string, count: number) => `${what} of a subscription may have ${count}`;
  if (id.length > max.idCharacters) return `${allowed('The id', max.idCharacters)} characters.`;
  if (tokens > max.tokens) return `${allowed('The document', max.tokens)} tokens; this one has ${tokens}.`;
  if (lengthAsJson(variables) <= max.variablesCharacters) return undefined;
  return `${allowed('The variables', max.variablesCharacters)} characters as JSON.`;
}

/** Infinity when the value is nested too deep to be written down. */
function lengthAsJson(value: unknown): number {
  try {
    return JSON.stringify(value).length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
