import { hash } from 'node:crypto';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { type CostOf, costOf, itemsOf } from './cost.ts';
import { createCostTable, type FieldCosts } from './cost-table.ts';
import { exceededLimits, exceededTextLimit, maxErrors, type OperationLimits } from './document-limits.ts';

/** The cost and the items of an operation, as functions of its variables. */
interface Charges {
  readonly cost: CostOf;
  readonly items: CostOf;
}

/** Parses, limits and validates documents, and caches documents that clients repeat. */
export interface PreparedDocuments {
  /** Returns the parsed and validated document, or its errors. */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /** Returns the charges of an operation. Throws if its document was not prepared. */
  chargesOf(operation: OperationDefinitionNode): Charges;
}

/**
 * The memory of one token of a parsed document, about 500 bytes: the position of the token and its share of
 * the nodes.
 */
const bytesPerToken = 512;

/** The maximum number of stored digests of documents. 10 000 digests take 2 MB. */
const maxSeen = 10_000;

/** The memory that a document takes, in bytes. */
export function bytesOf(document: DocumentNode): number {
  const { tokenCount = 0, loc } = document;
  // A parsed document holds its text. The text can be long although it has few tokens, because comments are
  // not tokens.
  return tokenCount * bytesPerToken + 2 * (loc?.source.body.length ?? 0);
}

export function createPreparedDocuments(
  schema: GraphQLSchema,
  {
    introspection,
    limits,
    costs,
    maxKeptBytes,
  }: {
    readonly introspection: boolean;
    readonly limits: OperationLimits;
    readonly costs: FieldCosts | undefined;
    readonly maxKeptBytes: number;
  },
): PreparedDocuments {
  const rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  const table = createCostTable(schema, costs);
  const kept = new LRUCache<string, DocumentNode>({ maxSize: maxKeptBytes, sizeCalculation: bytesOf });
  // A document is cached only when it is received for the second time. A client that writes values into the
  // text sends each document only once, so caching its documents is useless.
  const seen = new LRUCache<string, true>({ max: maxSeen });
  const charges = new WeakMap<OperationDefinitionNode, Charges>();

  function read(source: string): DocumentNode | readonly GraphQLError[] {
    const document = parseWithin(source, limits);
    if ('length' in document) return document;
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
    prepare(source) {
      const known = kept.get(source);
      if (known) return known;
      const document = read(source);
      if (!('length' in document) && isSeenAgain(source)) kept.set(source, document);
      return document;
    },
    chargesOf(operation) {
      const known = charges.get(operation);
      if (!known) throw new Error('the document of the operation was not prepared');
      return known;
    },
  };
}

/** Returns the parsed document. Returns errors if the document exceeds a limit or cannot be parsed. */
function parseWithin(source: string, limits: OperationLimits): DocumentNode | readonly GraphQLError[] {
  const excess = exceededTextLimit(source, limits);
  if (excess) return [excess];
  let document: DocumentNode;
  try {
    document = parse(source, { maxTokens: limits.maxTokens });
  } catch (error) {
    return [error instanceof GraphQLError ? error : new GraphQLError('The document cannot be read.')];
  }
  const exceeded = exceededLimits(document, limits);
  return exceeded.length > 0 ? exceeded : document;
}
