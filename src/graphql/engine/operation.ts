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

/** How documents are read, limited, validated and run, whatever transport brought them. */
export interface Operations {
  readonly introspection: boolean;
  /**
   * The document, or what is wrong with it. Every transport prepares a document before anything else reads it. A document is
   * kept from the second time on, so that a known one costs a look-up.
   */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /**
   * What an operation of a prepared document costs with these variables: 1 for each object that the answer may hold, were
   * every list full, 1 for 4 kB of text, and more for fields that are work for the database. Does not change, so it can be
   * charged before the operation runs. The variables are those of the client, not checked yet.
   */
  cost(operation: OperationDefinitionNode, variables: Variables): number;
  /** The items in the lists of a mutation's arguments with these variables: 500 for a bulk call of 500, 0 for a query. */
  items(operation: OperationDefinitionNode, variables: Variables): number;
  /** QUERY_TOO_COMPLEX when the operation costs more than one may. Every transport asks before the operation runs. */
  excess(operation: OperationDefinitionNode, variables: Variables): GraphQLError | undefined;
  /**
   * Runs a query or a mutation of a document that was prepared. Operations that come again are compiled: a list of hundreds
   * costs a third of what interpreting it field by field does, and a recorded page view an eighth less. Without `data` nothing
   * ran, because the variables did not fit.
   */
  execute(request: OperationRequest): ExecutionResult | Promise<ExecutionResult>;
}

interface OperationRequest {
  readonly document: DocumentNode;
  /** Of the document. */
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly context: Context;
}

export interface OperationOptions {
  readonly introspection: boolean;
  readonly limits?: OperationLimits;
  /** Of the fields of the schema. Default: those of Unseen's. */
  readonly costs?: FieldCosts | undefined;
  /** Memory for prepared documents, and as much again for compiled operations. Default 32 MB: 200 documents of 300 tokens. */
  readonly maxKeptBytes?: number | undefined;
  /** An operation is compiled when it comes for this time: compiling costs as much as some runs. Default 10. */
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
      const message = `The operation costs ${cost}; ${limits.maxCost} is allowed. Ask for smaller pages or fewer fields.`;
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
  // Each error looks for its place in the text, and without a limit every entry of a list becomes one.
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
