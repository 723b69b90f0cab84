import { hash } from 'node:crypto';
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import type { CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import { compile } from './compile.ts';
import type { Context } from './context.ts';
import { type CostOf, costOf, itemsOf } from './cost.ts';
import { createCostTable, type FieldCosts } from './cost-table.ts';
import {
  countSelections,
  defaultLimits,
  exceededLimits,
  exceededTextLimit,
  maxErrors,
  type OperationLimits,
} from './document-limits.ts';
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

/** What an operation is charged for, by its variables. */
interface Charges {
  readonly cost: CostOf;
  readonly items: CostOf;
}

/** A token of a parsed document takes about 500 bytes of memory: with its place, and its part of the nodes. */
const bytesPerToken = 512;

/** A selection of a compiled query takes about 2 kB, as code and as the names and places that errors are made of. */
const bytesPerCompiledSelection = 2_048;

/** Documents that came once are remembered by a digest: 10 000 digests take 2 MB. */
const maxSeen = 10_000;

function bytesOf(document: DocumentNode): number {
  const { tokenCount = 0, loc } = document;
  // The text is kept too: comments make a document of few tokens a long one.
  return tokenCount * bytesPerToken + 2 * (loc?.source.body.length ?? 0);
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
  const rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const table = createCostTable(schema, costs);
  const prepared = new LRUCache<string, DocumentNode>({
    maxSize: maxKeptBytes,
    sizeCalculation: bytesOf,
  });
  // A client that writes its values into the text sends each document once: such documents are not worth keeping.
  const seen = new LRUCache<string, true>({ max: maxSeen });
  const charges = new WeakMap<OperationDefinitionNode, Charges>();
  const uses = new WeakMap<OperationDefinitionNode, number>();
  // Without a query: it cannot be compiled.
  const compiled = new LRUCache<OperationDefinitionNode, { readonly query?: CompiledQuery }>({
    maxSize: maxKeptBytes,
  });

  /** undefined: it is to be interpreted. */
  function compiledOf({ document, operation }: OperationRequest): CompiledQuery | undefined {
    const known = compiled.get(operation);
    if (known) return known.query;
    const count = (uses.get(operation) ?? 0) + 1;
    uses.set(operation, count);
    if (count < usesToCompile) return undefined;
    const query = compile(schema, document, operation);
    const size = bytesOf(document) + countSelections(document, operation) * bytesPerCompiledSelection;
    compiled.set(operation, query ? { query } : {}, { size });
    return query;
  }

  function chargesOf(operation: OperationDefinitionNode): Charges {
    const known = charges.get(operation);
    if (!known) throw new Error('the operation is not of a prepared document');
    return known;
  }

  function read(source: string): DocumentNode | readonly GraphQLError[] {
    const excess = exceededTextLimit(source, limits);
    if (excess) return [excess];
    let document: DocumentNode;
    try {
      document = parse(source, { maxTokens: limits.maxTokens });
    } catch (error) {
      return [error instanceof GraphQLError ? error : new GraphQLError('The document cannot be read.')];
    }
    const exceeded = exceededLimits(document, limits);
    if (exceeded.length > 0) return exceeded;
    const errors = validate(schema, document, rules, { maxErrors });
    if (errors.length > 0) return errors;
    for (const operation of document.definitions) {
      if (operation.kind !== Kind.OPERATION_DEFINITION) continue;
      charges.set(operation, {
        cost: costOf(schema, table, document, operation),
        items: itemsOf(schema, document, operation),
      });
    }
    return document;
  }

  function isSeenAgain(source: string): boolean {
    const digest = hash('sha256', source, 'base64');
    if (seen.has(digest)) return true;
    seen.set(digest, true);
    return false;
  }

  return {
    introspection,
    prepare(source) {
      const known = prepared.get(source);
      if (known) return known;
      const document = read(source);
      if (!('length' in document) && isSeenAgain(source)) prepared.set(source, document);
      return document;
    },
    cost: (operation, variables) => chargesOf(operation).cost(variables),
    items: (operation, variables) => chargesOf(operation).items(variables),
    excess(operation, variables) {
      const cost = chargesOf(operation).cost(variables);
      if (cost <= limits.maxCost) return undefined;
      const message = `The operation costs ${cost}; ${limits.maxCost} is allowed. Ask for smaller pages or fewer fields.`;
      return new GraphQLError(message, { nodes: [operation], extensions: { code: 'QUERY_TOO_COMPLEX' } });
    },
    execute(request) {
      const { document, operation, variables, context } = request;
      const compiledQuery = compiledOf(request);
      if (compiledQuery) {
        const definitions = operation.variableDefinitions ?? [];
        // Each error looks for its place in the text, and without a limit every entry of a list becomes one.
        const read = getVariableValues(schema, definitions, variables ?? {}, { maxErrors });
        return read.errors ? read : compiledQuery.query(undefined, context, read.coerced);
      }
      return execute({
        schema,
        document,
        contextValue: context,
        fieldResolver: readProperty,
        variableValues: variables ?? null,
        operationName: operation.name?.value ?? null,
        options: { maxCoercionErrors: maxErrors },
      });
    },
  };
}
