import {
  type ArgumentNode,
  type GraphQLField,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
  visit,
} from 'graphql';

/** The variables of a request as the client sent them. */
export type Variables = Readonly<Record<string, unknown>> | null | undefined;

/** Returns the variables that the operation declares, and drops all other variables of the client. */
export function declaredVariables(
  { variableDefinitions = [] }: OperationDefinitionNode,
  variables: Variables,
): Readonly<Record<string, unknown>> {
  const names = variableDefinitions.map(({ variable }) => variable.name.value);
  const given = names.filter((name) => variables && Object.hasOwn(variables, name));
  return Object.fromEntries(given.map((name) => [name, variables?.[name]]));
}

/** The value of an argument as JSON. The value is not coerced yet, so its type may be wrong. */
export interface ArgumentValue {
  /** Whether the value is the same for all variables. */
  readonly isConstant: boolean;
  read(variables: Variables): unknown;
}

/**
 * Returns the value of an argument of a field. If the client gives no value, the default of the variable or
 * of the argument applies.
 */
export function argumentValue(
  field: GraphQLField<unknown, unknown>,
  args: readonly ArgumentNode[],
  name: string,
  operation: OperationDefinitionNode,
): ArgumentValue {
  const byDefault = field.args.find((argument) => argument.name === name)?.defaultValue;
  const node = args.find((argument) => argument.name.value === name)?.value;
  if (node && hasVariable(node)) {
    return { isConstant: false, read: (variables) => readValue(node, operation, variables) ?? byDefault };
  }
  const value = node ? readValue(node, operation, undefined) : byDefault;
  return { isConstant: true, read: () => value };
}

function hasVariable(node: ValueNode): boolean {
  let found = false;
  visit(node, {
    Variable() {
      found = true;
    },
  });
  return found;
}

function readValue(node: ValueNode, operation: OperationDefinitionNode, variables: Variables): unknown {
  switch (node.kind) {
    case Kind.VARIABLE: {
      const name = node.name.value;
      if (variables && Object.hasOwn(variables, name)) return variables[name];
      const definition = operation.variableDefinitions?.find(({ variable }) => variable.name.value === name);
      return definition?.defaultValue && readValue(definition.defaultValue, operation, undefined);
    }
    case Kind.LIST:
      return node.values.map((value) => readValue(value, operation, variables));
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map(({ name, value }) => [name.value, readValue(value, operation, variables)]),
      );
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.NULL:
      return null;
    default:
      return node.value;
  }
}
