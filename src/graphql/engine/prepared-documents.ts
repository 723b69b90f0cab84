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

/** Reads, limits and validates documents, and keeps documents that clients repeat. */
export interface PreparedDocuments {
  /** The parsed and validated document, or its errors. */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /** The charges of an operation. Throws if the document of the operation was not prepared. */
  chargesOf(operation: OperationDefinitionNode): Charges;
}

/** Memory of a token of a parsed document, about 500 bytes: its place and its share of the nodes. */
const bytesPerToken = 512;

/** The maximum number of digests of documents that were received once. 10 000 digests take 2 MB. */
const maxSeen = 10_000;

/** The memory that a document takes, in bytes. */
export function bytesOf(document: DocumentNode): number {
  const { tokenCount = 0, loc } = document;
  // The document keeps its text. With comments, a document of few tokens can have a long text.
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
  // A client that writes its values into the text sends each document once. Keeping such documents is
  // useless.
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

/** The parsed document, or the errors if the document exceeds a limit or is not readable. */
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
