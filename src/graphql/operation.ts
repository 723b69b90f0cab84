import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  specifiedRules,
  type ValidationRule,
  validate,
} from 'graphql';
import type { CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import { compile } from './compile.ts';
import type { Context } from './context.ts';
import { defaultLimits, limitsRule, type OperationLimits } from './limits.ts';

/** How documents are parsed and validated, whatever transport brought them. */
export interface Operations {
  readonly introspection: boolean;
  readonly parseOptions: { readonly maxTokens: number };
  readonly validationOptions: { readonly maxErrors: number };
  /** Beside those of the specification. */
  readonly rules: readonly ValidationRule[];
  /** The document, or what is wrong with it. Documents are kept, so a known one costs a look-up. */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /**
   * Runs a query or a mutation of a document that was prepared. Queries that come again are compiled: a list of hundreds costs
   * a third of what interpreting them field by field does. Without `data` nothing ran, for the variables did not fit.
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

/** Documents are kept for their text up to this many characters: comments make a small document a long one. */
const maxPreparedCharacters = 4_000_000;

/** A compiled query is some hundred kilobytes at most. */
const maxCompiled = 100;

export interface OperationOptions {
  readonly introspection: boolean;
  readonly limits?: OperationLimits;
  /** A query is compiled when it comes for this time: compiling costs as much as some runs. Default 10. */
  readonly usesToCompile?: number | undefined;
}

export function createOperations(
  schema: GraphQLSchema,
  { introspection, limits = defaultLimits, usesToCompile = 10 }: OperationOptions,
): Operations {
  const parseOptions = { maxTokens: limits.maxTokens };
  const validationOptions = { maxErrors: 10 };
  const rules = [limitsRule(limits), ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])];
  const prepared = new LRUCache<string, DocumentNode>({
    max: 1_000,
    maxSize: maxPreparedCharacters,
    sizeCalculation: (_, source) => source.length,
  });
  const uses = new WeakMap<OperationDefinitionNode, number>();
  // Without a query: it cannot be compiled.
  const compiled = new LRUCache<OperationDefinitionNode, { readonly query?: CompiledQuery }>({
    max: maxCompiled,
  });

  /** undefined: it is to be interpreted. */
  function compiledOf({ document, operation }: OperationRequest): CompiledQuery | undefined {
    const known = compiled.get(operation);
    if (known) return known.query;
    const count = (uses.get(operation) ?? 0) + 1;
    uses.set(operation, count);
    if (count < usesToCompile) return undefined;
    const query = operation.operation === OperationTypeNode.QUERY && compile(schema, document, operation);
    compiled.set(operation, query ? { query } : {});
    return query || undefined;
  }

  return {
    introspection,
    parseOptions,
    validationOptions,
    rules,
    prepare(source) {
      const known = prepared.get(source);
      if (known) return known;
      let document: DocumentNode;
      try {
        document = parse(source, parseOptions);
      } catch (error) {
        return [error instanceof GraphQLError ? error : new GraphQLError('The document cannot be read.')];
      }
      const errors = validate(schema, document, [...specifiedRules, ...rules], validationOptions);
      if (errors.length > 0) return errors;
      prepared.set(source, document);
      return document;
    },
    execute(request) {
      const { document, operation, variables, context } = request;
      const compiledQuery = compiledOf(request);
      if (compiledQuery) {
        const read = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {});
        return read.errors ? read : compiledQuery.query(undefined, context, read.coerced);
      }
      return execute({
        schema,
        document,
        contextValue: context,
        variableValues: variables ?? null,
        operationName: operation.name?.value ?? null,
      });
    },
  };
}
