import {
  type ASTNode,
  BREAK,
  type DocumentNode,
  GraphQLScalarType,
  GraphQLSchema,
  getNamedType,
  isEnumType,
  isSpecifiedScalarType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';

/** Of a variable that GraphQL.js has read already: it is taken as it is. */
const asRead = new GraphQLScalarType({ name: 'AsRead' });
const asReadType = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: asRead.name } } as const;

const withAsRead = new WeakMap<GraphQLSchema, GraphQLSchema>();

function schemaFor(schema: GraphQLSchema): GraphQLSchema {
  let known = withAsRead.get(schema);
  if (!known) {
    const config = schema.toConfig();
    known = new GraphQLSchema({ ...config, types: [...config.types, asRead], assumeValid: true });
    withAsRead.set(schema, known);
  }
  return known;
}

/**
 * A valid operation as a function of its variables, which have to be read (`getVariableValues`); undefined when it is to be
 * interpreted. What goes in is for GraphQL.js to read, whose rules graphql-jit does not have in full: it leaves out defaults of
 * input fields, and writes what custom scalars make of literals into the code as text. So variables are taken as they were
 * read, and operations with other literals than numbers, strings, booleans and enum values are interpreted. So are those with
 * directives, whose condition graphql-jit applies to a fragment wherever it is spread, and those with a name of
 * Object.prototype: it keeps variables and fields in plain objects, where `$constructor` is a function and `__proto__` is lost.
 * So are mutations of several fields: compiled ones go on after a field that failed.
 */
export function compile(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): CompiledQuery | undefined {
  if (hasSequence(operation) || !isCompilable(schema, document)) return undefined;
  const variableDefinitions = operation.variableDefinitions?.map(({ kind, variable }) => ({
    kind,
    variable,
    type: asReadType,
  }));
  const definitions = document.definitions.map((definition) =>
    definition === operation
      ? { ...operation, ...(variableDefinitions && { variableDefinitions }) }
      : definition,
  );
  const query = compileQuery(schemaFor(schema), { ...document, definitions }, operation.name?.value);
  return isCompiledQuery(query) ? query : undefined;
}

/** Whether fields have to run one after the other. */
function hasSequence({ operation, selectionSet: { selections } }: OperationDefinitionNode): boolean {
  if (operation !== OperationTypeNode.MUTATION) return false;
  return selections.length > 1 || selections[0]?.kind !== Kind.FIELD;
}

const plainKinds: ReadonlySet<string> = new Set([Kind.INT, Kind.FLOAT, Kind.STRING, Kind.BOOLEAN, Kind.ENUM]);
const otherKinds: ReadonlySet<string> = new Set([Kind.NULL, Kind.LIST, Kind.OBJECT]);

function isCompilable(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema);
  let isPlain = true;
  visit(
    document,
    visitWithTypeInfo(types, {
      enter(node) {
        // Defaults of variables are read with them; their names occur where they are used.
        if (node.kind === Kind.VARIABLE_DEFINITION) return false;
        if (isPlainNode(node, types)) return undefined;
        isPlain = false;
        return BREAK;
      },
    }),
  );
  return isPlain;
}

function isPlainNode(node: ASTNode, types: TypeInfo): boolean {
  if (node.kind === Kind.NAME) return !(node.value in Object.prototype);
  if (node.kind === Kind.DIRECTIVE || otherKinds.has(node.kind)) return false;
  const type = getNamedType(types.getInputType());
  const isText = type && (isSpecifiedScalarType(type) || isEnumType(type));
  return !plainKinds.has(node.kind) || isText === true;
}
