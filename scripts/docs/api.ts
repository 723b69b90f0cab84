import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type GraphQLType,
  getNamedType,
  getVariableValues,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  validate,
} from 'graphql';
import { type Access, accessOf } from '../../src/graphql/access.ts';
import { table } from './markdown.ts';

const callers: Readonly<Record<Access, string>> = {
  token: 'Any valid token.',
  target: 'The user it is about, or a service or admin of the tenant.',
  service: 'Services and admins.',
  admin: 'Admins.',
  parent: 'Any caller that got the object.',
};

/**
 * Returns the pages of the API reference, keyed by file. The function generates the pages from the printed
 * schema.
 */
export function apiPages(): Readonly<Record<string, string>> {
  const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
  const examples = readExamples(schema);
  const roots = [
    { file: 'queries', title: 'Queries', type: schema.getQueryType() },
    { file: 'mutations', title: 'Mutations', type: schema.getMutationType() },
    { file: 'subscriptions', title: 'Subscriptions', type: schema.getSubscriptionType() },
  ].flatMap(({ type, ...page }) => (type ? [{ ...page, type }] : []));
  const pages = roots.map(({ file, title, type }) => [
    `docs/api/${file}.md`,
    rootPage(title, type, examples),
  ]);
  return {
    'docs/api.md': overview(roots),
    ...Object.fromEntries(pages),
    'docs/api/types.md': typesPage(schema),
  };
}

const examplesFile = 'scripts/docs/examples.graphql';

/**
 * Maps the name of each operation's field to the code blocks of its example. Throws if an example does not
 * match the schema.
 */
function readExamples(schema: GraphQLSchema): ReadonlyMap<string, string> {
  const source = readFileSync(examplesFile, 'utf8');
  const document = parse(source);
  const errors = validate(schema, document);
  if (errors.length > 0)
    throw new Error(`${examplesFile}: ${errors.map(({ message }) => message).join('\n')}`);
  return new Map(
    document.definitions.flatMap((definition) => {
      if (definition.kind !== Kind.OPERATION_DEFINITION) return [];
      const [root] = definition.selectionSet.selections;
      if (root?.kind !== Kind.FIELD) return [];
      const operation = `\`\`\`graphql\n${source.slice(definition.loc?.start, definition.loc?.end)}\n\`\`\``;
      const variables = variablesOf(schema, definition);
      const shown = `Variables:\n\n\`\`\`json\n${JSON.stringify(variables, null, 2)}\n\`\`\``;
      return [[root.name.value, variables === undefined ? operation : `${operation}\n\n${shown}`]];
    }),
  );
}

/**
 * Returns the variables in the comment `# variables: {…}` above the operation, and undefined if the operation
 * declares no variables. Throws if the comment has no value for a declared variable, or an invalid value.
 */
function variablesOf(
  schema: GraphQLSchema,
  { variableDefinitions = [], name, loc }: OperationDefinitionNode,
): Readonly<Record<string, unknown>> | undefined {
  if (variableDefinitions.length === 0) return undefined;
  const [, json = '{}'] = /^ variables: (.*)$/.exec(loc?.startToken.prev?.value ?? '') ?? [];
  const variables = JSON.parse(json) as Record<string, unknown>;
  const missing = variableDefinitions
    .map(({ variable }) => variable.name.value)
    .filter((one) => !(one in variables));
  const { errors = [] } = getVariableValues(schema, variableDefinitions, variables);
  const problems = [
    ...missing.map((one) => `$${one} has no value.`),
    ...errors.map(({ message }) => message),
  ];
  if (problems.length > 0) throw new Error(`${examplesFile}: ${name?.value}: ${problems.join('\n')}`);
  return variables;
}

interface Root {
  readonly file: string;
  readonly title: string;
  readonly type: GraphQLObjectType;
}

function overview(roots: readonly Root[]): string {
  const sections = roots.map(({ file, title, type }) => {
    const rows = Object.values(type.getFields()).map((field) => [
      `[\`${field.name}\`](./api/${file}.md#${field.name.toLowerCase()})`,
      firstSentence(field.description),
    ]);
    return `## ${title}\n\n${table(['field', 'does'], rows)}`;
  });
  return `# API reference

After this page you can find each operation, its arguments and an example.

All operations go to \`/graphql\`. Queries and mutations use HTTP \`POST\` with the body
\`{"query": "…", "variables": {…}}\`. Subscriptions use a WebSocket at the same URL, with the protocol
[\`graphql-transport-ws\`](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). Every request and every socket needs a
[token](./security.md#tokens). The [error page](./errors.md) lists all codes.

The examples contain ids and times. Replace them with your own: a time must be in the bounds that the field names.

The playground at \`/playground\` has the same texts beside an editor. \`schema.graphql\` in the repository is the schema itself.

- **Ids** are opaque. Pass an \`id\` that a query returned.
- **Lists** come in pages. Pass the \`cursor\` of an edge, or \`endCursor\`, as \`after\` to get the next page.
- **Times** are RFC 3339 with an offset.
- **A repeated mutation** with the same \`idempotencyKey\` is done once and has the same result.

${sections.join('\n')}
## Types

[Types](./api/types.md) lists every object, input, enum and scalar.
`;
}

function rootPage(title: string, type: GraphQLObjectType, examples: ReadonlyMap<string, string>): string {
  const sections = Object.values(type.getFields()).map((field) => {
    const example = examples.get(field.name);
    if (example === undefined) throw new Error(`${examplesFile} has no example of ${field.name}. Add one.`);
    return [
      `## ${field.name}`,
      field.description ?? '',
      `**Returns:** ${link(field.type, './types.md')}. **May be called by:** ${callersOf(type, field)}`,
      ...argumentTables(field.args),
      example,
    ].join('\n\n');
  });
  return `# ${title}\n\n${sections.join('\n\n')}\n`;
}

/** Returns the tables of the arguments. For an input object, the table contains the fields of the object. */
function argumentTables(args: readonly GraphQLArgument[]): readonly string[] {
  const inputs = args.filter((arg) => isInputObjectType(getNamedType(arg.type)));
  const others = args.filter((arg) => !inputs.includes(arg));
  const inputTables = inputs.map((arg) => {
    const type = getNamedType(arg.type) as GraphQLInputObjectType;
    const fields = inputTable('field', Object.values(type.getFields()), './types.md');
    return `The argument \`${arg.name}\` is ${link(arg.type, './types.md')}:\n\n${fields}`;
  });
  const plain = others.length > 0 ? [inputTable('argument', others, './types.md')] : [];
  return [...plain, ...inputTables].map((part) => part.trimEnd());
}

function callersOf(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): string {
  const access = accessOf(type.name, field.name);
  if (access === undefined)
    throw new Error(`${type.name}.${field.name} has no rule. Add it to src/graphql/access.ts.`);
  return callers[access];
}

function typesPage(schema: GraphQLSchema): string {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].map(
    (type) => type?.name,
  );
  const types = Object.values(schema.getTypeMap()).filter(
    (type) => !type.name.startsWith('__') && !roots.includes(type.name) && !isSpecifiedScalarType(type),
  );
  const groups: readonly (readonly [string, (type: GraphQLNamedType) => boolean])[] = [
    ['Objects', (type) => isObjectType(type)],
    ['Interfaces and unions', (type) => isInterfaceType(type) || isUnionType(type)],
    ['Inputs', (type) => isInputObjectType(type)],
    ['Enums', (type) => isEnumType(type)],
    ['Scalars', (type) => isScalarType(type)],
  ];
  const sections = groups.map(([title, belongs]) => {
    const members = types.filter(belongs).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return `## ${title}\n\n${members.map((type) => typeSection(type)).join('\n\n')}`;
  });
  return `# Types\n\nA \`!\` after a type means that the value is never null.\n\n${sections.join('\n\n')}\n`;
}

function typeSection(type: GraphQLNamedType): string {
  const parts = [`### ${type.name}`, type.description ?? ''];
  if (isObjectType(type) || isInterfaceType(type)) {
    const implemented = type.getInterfaces().map((one) => link(one));
    if (implemented.length > 0) parts.push(`Implements ${implemented.join(', ')}.`);
    parts.push(outputTable(Object.values(type.getFields())));
  } else if (isInputObjectType(type)) parts.push(inputTable('field', Object.values(type.getFields())));
  else if (isUnionType(type)) {
    parts.push(
      `One of ${type
        .getTypes()
        .map((one) => link(one))
        .join(', ')}.`,
    );
  } else if (isEnumType(type)) {
    const rows = type.getValues().map(({ name, description }) => [`\`${name}\``, description ?? '']);
    parts.push(table(['value', 'meaning'], rows));
  }
  return parts
    .filter((part) => part !== '')
    .map((part) => part.trimEnd())
    .join('\n\n');
}

function outputTable(fields: readonly GraphQLField<unknown, unknown>[]): string {
  const rows = fields.map(({ name, type, args, description }) => {
    const notes = args.map(
      (arg) => `<br>\`${arg.name}\`: ${link(arg.type)}${byDefault(arg)}. ${arg.description ?? ''}`,
    );
    return [`\`${name}\``, link(type), `${description ?? ''}${notes.join('')}`];
  });
  return table(['field', 'type', 'meaning'], rows);
}

function inputTable(
  what: string,
  inputs: readonly (GraphQLArgument | GraphQLInputField)[],
  page = '',
): string {
  const rows = inputs.map((input) => [
    `\`${input.name}\``,
    `${link(input.type, page)}${byDefault(input)}`,
    input.description ?? '',
  ]);
  return table([what, 'type', 'meaning'], rows);
}

function byDefault({ defaultValue, astNode }: GraphQLArgument | GraphQLInputField): string {
  return defaultValue === undefined || !astNode?.defaultValue ? '' : ` = \`${print(astNode.defaultValue)}\``;
}

/** Returns the type as GraphQL writes it, with a link to its section in `page`. */
function link(type: GraphQLType, page = ''): string {
  const named = getNamedType(type);
  const text = `\`${type}\``;
  return isSpecifiedScalarType(named) ? text : `[${text}](${page}#${named.name.toLowerCase()})`;
}

function firstSentence(description: string | null | undefined): string {
  return /^.*?[.:](?=\s|$)/s.exec(description ?? '')?.[0].replace(/:$/, '.') ?? description ?? '';
}
