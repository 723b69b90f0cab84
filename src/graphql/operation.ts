import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  type ValidationRule,
  validate,
} from 'graphql';
import { LRUCache } from 'lru-cache';
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
}

/** Documents are kept for their text up to this many characters: comments make a small document a long one. */
const maxPreparedCharacters = 4_000_000;

export function createOperations(
  schema: GraphQLSchema,
  {
    introspection,
    limits = defaultLimits,
  }: { readonly introspection: boolean; readonly limits?: OperationLimits },
): Operations {
  const parseOptions = { maxTokens: limits.maxTokens };
  const validationOptions = { maxErrors: 10 };
  const rules = [limitsRule(limits), ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])];
  const prepared = new LRUCache<string, DocumentNode>({
    max: 1_000,
    maxSize: maxPreparedCharacters,
    sizeCalculation: (_, source) => source.length,
  });
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
  };
}
