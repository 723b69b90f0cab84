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

/** What an operation is charged for, by its variables. */
interface Charges {
  readonly cost: CostOf;
  readonly items: CostOf;
}

/** Reads, limits and validates documents, and keeps those that come again. */
export interface PreparedDocuments {
  /** The document, or what is wrong with it. */
  prepare(source: string): DocumentNode | readonly GraphQLError[];
  /** Throws for an operation of a document that was not prepared. */
  chargesOf(operation: OperationDefinitionNode): Charges;
}

/** A token of a parsed document takes about 500 bytes of memory: with its place, and its part of the nodes. */
const bytesPerToken = 512;

/** Documents that came once are remembered by a digest: 10 000 digests take 2 MB. */
const maxSeen = 10_000;

/** The memory that a document takes. */
export function bytesOf(document: DocumentNode): number {
  const { tokenCount = 0, loc } = document;
  // The text is kept too: comments make a document of few tokens a long one.
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
  // A client that writes its values into the text sends each document once: such documents are not worth keeping.
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
      if (!known) throw new Error('the operation is not of a prepared document');
      return known;
    },
  };
}

/** Parses a document that stays within the limits; otherwise the errors. */
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
