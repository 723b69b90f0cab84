import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  type OperationDefinitionNode,
} from 'graphql';
import type { CompiledQuery } from 'graphql-jit';
import { createCompiledOperations } from './compiled-operations.ts';
import type { Context } from './context.ts';
import type { FieldCosts } from './cost-table.ts';
import { defaultLimits, maxErrors, type OperationLimits } from './document-limits.ts';
import { createPreparedDocuments } from './prepared-documents.ts';
import { readProperty } from './read-property.ts';
import type { Variables } from './variable-values.ts';

/** Parses, limits, validates and runs documents. All transports use the same `Operations`. */
export interface Operations {
  readonly introspection: boolean;
  /**
   * Returns the parsed and validated document, or its errors. Every transport must call this function first.
   * A document is cached from its second request on. Preparing a cached document costs one look-up.
   */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /**
   * Returns the cost of an operation of a prepared document. Each object that the answer may contain if every
   * list is full costs 1. Each 4 kB of text costs 1. Fields that are expensive in the database cost more. The
   * cost is known before the operation runs. `variables` come from the client and are not checked yet.
   */
  cost(operation: OperationDefinitionNode, variables: Variables): number;
  /**
   * Returns the number of items in the lists of the arguments of a mutation: 500 for a bulk call with 500
   * items, 0 for a query.
   */
  items(operation: OperationDefinitionNode, variables: Variables): number;
  /**
   * Returns the error QUERY_TOO_COMPLEX if the operation costs more than the maximum. Every transport must
   * call this function before it runs an operation.
   */
  excess(operation: OperationDefinitionNode, variables: Variables): GraphQLError | undefined;
  /**
   * Runs a query or a mutation of a prepared document. Operations that clients repeat are compiled. A
   * compiled list of hundreds of entries takes a third of the time, and a compiled `recordPageView` takes an
   * eighth less. A result without `data` means that the variables were invalid and no field ran.
   */
  execute(request: OperationRequest): ExecutionResult | Promise<ExecutionResult>;
}

interface OperationRequest {
  readonly document: DocumentNode;
  /** An operation of the document `document`. */
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly context: Context;
}

export interface OperationOptions {
  readonly introspection: boolean;
  readonly limits?: OperationLimits;
  /** The costs of the fields. Defaults to the costs of the schema of Unseen. */
  readonly costs?: FieldCosts | undefined;
  /**
   * The maximum memory for prepared documents, and the same amount for compiled operations. Defaults to 32
   * MB, which is 200 documents of 300 tokens.
   */
  readonly maxKeptBytes?: number | undefined;
  /**
   * The number of uses after which an operation is compiled. Compiling costs as much as several runs.
   * Defaults to 10.
   */
  readonly usesToCompile?: number | undefined;
}

export function createOperations(
  schema: GraphQLSchema,
  {
    introspection,
    limits = defaultLimits,
    costs,
    usesToCompile = 10,
    maxKeptBytes = 32_000_000,
  }: OperationOptions,
): Operations {
  const documents = createPreparedDocuments(schema, { introspection, limits, costs, maxKeptBytes });
  const { chargesOf } = documents;
  const { compiledOf } = createCompiledOperations(schema, { usesToCompile, maxKeptBytes });
  return {
    introspection,
    prepare: documents.prepare,
    cost: (operation, variables) => chargesOf(operation).cost(variables),
    items: (operation, variables) => chargesOf(operation).items(variables),
    excess(operation, variables) {
      const cost = chargesOf(operation).cost(variables);
      if (cost <= limits.maxCost) return undefined;
      const message = `The operation costs ${cost}. The maximum is ${limits.maxCost}. Select fewer fields or request smaller pages.`;
      return new GraphQLError(message, { nodes: [operation], extensions: { code: 'QUERY_TOO_COMPLEX' } });
    },
    execute(request) {
      const query = compiledOf(request.document, request.operation);
      return query ? executeCompiled(schema, query, request) : interpret(schema, request);
    },
  };
}

function executeCompiled(
  schema: GraphQLSchema,
  query: CompiledQuery,
  { operation, variables, context }: OperationRequest,
): ExecutionResult | Promise<ExecutionResult> {
  const definitions = operation.variableDefinitions ?? [];
  // GraphQL.js computes the position of each error in the text. Without a limit, every entry of a list could
  // become an error.
  const read = getVariableValues(schema, definitions, variables ?? {}, { maxErrors });
  return read.errors ? read : query.query(undefined, context, read.coerced);
}

function interpret(
  schema: GraphQLSchema,
  { document, operation, variables, context }: OperationRequest,
): ExecutionResult | Promise<ExecutionResult> {
  return execute({
    schema,
    document,
    contextValue: context,
    fieldResolver: readProperty,
    variableValues: variables ?? null,
    operationName: operation.name?.value ?? null,
    options: { maxCoercionErrors: maxErrors },
  });
}
