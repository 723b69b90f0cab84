import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import type { CompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import { compile } from './compile.ts';
import { countSelections } from './document-limits.ts';
import { bytesOf } from './prepared-documents.ts';

/**
 * The memory of one selection in a compiled query, about 2 kB. The memory contains the generated code, and
 * the names and positions for error messages.
 */
const bytesPerCompiledSelection = 2_048;

/** Compiles operations that clients send repeatedly. */
export interface CompiledOperations {
  /**
   * Returns the compiled operation, or undefined if the operation must be interpreted. Each call counts as
   * one use of the operation.
   */
  compiledOf(document: DocumentNode, operation: OperationDefinitionNode): CompiledQuery | undefined;
}

export function createCompiledOperations(
  schema: GraphQLSchema,
  { usesToCompile, maxKeptBytes }: { readonly usesToCompile: number; readonly maxKeptBytes: number },
): CompiledOperations {
  const uses = new WeakMap<OperationDefinitionNode, number>();
  // An entry without `query` means that the operation cannot be compiled.
  const compiled = new LRUCache<OperationDefinitionNode, { readonly query?: CompiledQuery }>({
    maxSize: maxKeptBytes,
  });
  return {
    compiledOf(document, operation) {
      const known = compiled.get(operation);
      if (known) return known.query;
      const count = (uses.get(operation) ?? 0) + 1;
      uses.set(operation, count);
      if (count < usesToCompile) return undefined;
      const query = compile(schema, document, operation);
      const size = bytesOf(document) + countSelections(document, operation) * bytesPerCompiledSelection;
      compiled.set(operation, query ? { query } : {}, { size });
      return query;
    },
  };
}
