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

/**
 * The type of all variables of a compiled operation. GraphQL.js has already coerced the variables, so this
 * type does not change them.
 */
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
 * Compiles a valid operation to a function of its coerced variables (`getVariableValues`). Returns undefined
 * if the operation must be interpreted, because graphql-jit differs from GraphQL.js:
 * - graphql-jit ignores the defaults of input fields. So GraphQL.js coerces the variables.
 * - graphql-jit writes the parsed literals of custom scalars into its code as text. So only literals that are
 * numbers, strings, booleans or enum values are compiled.
 * - If a field of a fragment has a directive, graphql-jit applies the directive at every spread of the
 * fragment. So operations with directives are interpreted.
 * - graphql-jit stores variables and fields in plain objects, where `$constructor` is a function and
 * `__proto__` is lost. So operations with a name of Object.prototype are interpreted.
 * - If a field of a mutation fails, graphql-jit continues with the next field. So mutations of several fields
 * are interpreted.
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

/** Whether the operation may have several fields that must run in sequence. */
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
        // GraphQL.js applies the defaults of variables, so the definitions need no check. The name of a
        // variable is checked at each use of the variable.
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
