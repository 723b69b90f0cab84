import { z } from 'zod';
import { itemViewed } from '../../src/events/item-view.ts';
import {
  type LimitEventType,
  limitEventTypes,
  limitHead,
  limitPayloads,
} from '../../src/events/limit-event.ts';
import { notificationSent } from '../../src/events/notification.ts';
import { commandHead } from '../../src/events/notification-command.ts';
import { notificationCreated } from '../../src/events/notification-created.ts';
import { pageViewed } from '../../src/events/page-view.ts';
import { notificationCreatedTopic, topics } from '../../src/events/topic.ts';
import { activityHead } from '../../src/events/user-activity.ts';
import { table } from './markdown.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;
type Properties = Readonly<Record<string, JsonSchema>>;

const dateTime: JsonSchema = { type: 'string', format: 'date-time' };

/** Replaces zod's schema of a date with a schema of the text that producers write. */
function asJson({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: JsonSchema }): void {
  const isMoment =
    zodSchema instanceof z.ZodUnion && zodSchema.options.some((one) => one instanceof z.ZodDate);
  if (isMoment || zodSchema instanceof z.ZodDate || jsonSchema.format === 'date-time') {
    for (const key of ['anyOf', 'pattern'] as const) delete jsonSchema[key];
    Object.assign(jsonSchema, dateTime);
  }
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: asJson,
  });
  return rest as JsonSchema;
}

const propertiesOf = (schema: z.ZodType) => jsonSchemaOf(schema).properties as Properties;

/** Allows null for each field, because many producers write null for an absent field. */
const nullable = (properties: Properties): Properties =>
  Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, { anyOf: [schema, { type: 'null' }] }]),
  );

/** Requires the field to be present and not null. */
const present = (name: string, type: JsonSchema['type'] = 'string'): JsonSchema => ({
  type: 'object',
  required: [name],
  properties: { [name]: { type } },
});

const onePresent = (...names: readonly string[]): JsonSchema => ({
  anyOf: names.map((name) => present(name)),
});

function schemaFile(title: string, description: string, rest: JsonSchema): string {
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', title, description, ...rest };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

const textRules =
  'Text has no U+0000 and no lone surrogates, and its length counts UTF-16 code units. A field that is null counts as absent. Unknown fields are ignored.';

function activitySchema(): string {
  const { userId, timestamp, activityType, eventId } = propertiesOf(activityHead) as Record<
    string,
    JsonSchema
  >;
  const { name, path, subjectId } = propertiesOf(pageViewed.data) as Record<string, JsonSchema>;
  const { collection, itemIds } = propertiesOf(itemViewed.data) as Record<string, JsonSchema>;
  const itemId = itemIds?.items as JsonSchema;
  const fields = {
    user_id: userId,
    userId,
    timestamp,
    activity_type: activityType,
    activityType,
    event_id: eventId,
    eventId,
    name,
    page: name,
    path,
    subject_id: subjectId,
    subjectId,
    collection,
    item_id: itemId,
    itemId,
  } as Properties;
  const otherActivity = (field: string): JsonSchema => ({
    type: 'object',
    required: [field],
    properties: { [field]: { type: 'string', pattern: '^(?!page_view$)' } },
  });
  return schemaFile(
    topics.userActivity,
    `A page view, a view of an item or another activity of a user. ${textRules} A timestamp is at most a day ahead of the clock of the worker.`,
    {
      type: 'object',
      properties: nullable(fields),
      allOf: [
        onePresent('user_id', 'userId'),
        present('timestamp'),
        {
          anyOf: [
            onePresent('name', 'page'),
            { allOf: [present('collection'), onePresent('item_id', 'itemId')] },
            otherActivity('activity_type'),
            otherActivity('activityType'),
          ],
        },
      ],
    },
  );
}

function commandSchema(): string {
  const { userId, notificationId } = propertiesOf(commandHead) as Record<string, JsonSchema>;
  const fields: Properties = {
    ...(notificationId && { notificationId }),
    ...propertiesOf(notificationSent.data),
    content: {
      description:
        'Text or JSON, used where title or body is missing. The first line of a text becomes the title. An object may have a title and a body, and is kept as data.',
    },
    scheduledFor: { ...dateTime, description: 'When to deliver. Defaults to now.' },
    scheduledNotificationUtcDate: {
      type: 'string',
      description:
        'The same as scheduledFor, read if scheduledFor is absent. May leave the offset out: it is UTC.',
    },
  };
  return schemaFile(
    topics.notificationCommand,
    `A command to deliver a notification to a user. ${textRules} The user must exist.`,
    {
      type: 'object',
      properties: { ...(userId && { userId }), ...nullable(fields) },
      required: ['userId'],
      anyOf: [present('title'), present('content', ['string', 'number', 'boolean', 'object', 'array'])],
    },
  );
}

function limitSchema(): string {
  return schemaFile(
    topics.userLimits,
    `An event about the limit of a user. ${textRules} The event has at most 16384 characters and is at most a day ahead of the clock of the worker. Without userId in the payload, aggregateId names the user. Events of other types are ignored.`,
    { oneOf: Object.keys(limitEventTypes).map((type) => limitEventSchema(type as LimitEventType)) },
  );
}

function limitEventSchema(type: LimitEventType): JsonSchema {
  const { eventId, source, createdAt, userId } = propertiesOf(limitHead) as Record<string, JsonSchema>;
  const { properties = {}, required = [] } = jsonSchemaOf(limitPayloads[type]);
  const { sequenceNumber, raw: _, nextResetAt, ...fields } = properties as Record<string, JsonSchema>;
  const inPayload = required.filter((field) => field !== 'sequenceNumber' && field !== 'raw');
  const payload: JsonSchema = {
    type: 'object',
    properties: {
      ...Object.fromEntries(inPayload.map((field) => [field, fields[field] as JsonSchema])),
      ...nullable(
        Object.fromEntries(
          Object.entries({ userId, ...fields, nextResetTime: nextResetAt }).filter(
            ([field]) => !inPayload.includes(field),
          ),
        ) as Properties,
      ),
    },
    required: inPayload,
  };
  const payloads = {
    payload,
    data: { description: 'Another name of the payload, read if payload is absent.', ...payload },
  };
  return {
    type: 'object',
    properties: {
      type: { const: type },
      createdAt,
      sequenceNumber,
      aggregateId: { description: 'The user, if the payload has no userId.' },
      ...nullable({ eventId, source, ...payloads } as Properties),
    } as Record<string, JsonSchema>,
    required: ['type', 'createdAt', 'sequenceNumber'],
    allOf: [
      { anyOf: [present('payload', 'object'), present('data', 'object')] },
      {
        anyOf: [
          { type: 'object', required: ['aggregateId'], properties: { aggregateId: userId } } as JsonSchema,
          ...['payload', 'data'].map((where) => ({
            type: 'object' as const,
            required: [where],
            properties: { [where]: present('userId') },
          })),
        ],
      },
    ],
  };
}

function createdSchema(): string {
  const description = 'A notification was delivered to a user. Unseen writes this event.';
  return schemaFile(notificationCreatedTopic, description, jsonSchemaOf(notificationCreated));
}

/** Returns the JSON Schemas of the events on topics, and the page that lists the schemas, keyed by file. */
export function schemaPages(): Readonly<Record<string, string>> {
  const schemas: Readonly<Record<string, readonly [by: string, schema: string]>> = {
    [topics.userActivity]: ['producers', activitySchema()],
    [topics.notificationCommand]: ['producers', commandSchema()],
    [topics.userLimits]: ['producers, and Unseen for limits changed by hand', limitSchema()],
    [notificationCreatedTopic]: ['Unseen', createdSchema()],
  };
  const rows = Object.entries(schemas).map(([topic, [by]]) => [
    `\`${topic}\``,
    by,
    `[${topic}.json](./schemas/${topic}.json)`,
  ]);
  const page = `# JSON Schemas of events

After this page you can check a record against the schema of its topic.

${table(['topic', 'written by', 'schema'], rows)}
The schemas follow the draft 2020-12 and are made from the code that reads and writes the events. A record that fits its schema
can be applied, if it also keeps the rules in the \`description\` of the schema. The page on [producers](./producers.md) explains
the fields.
`;
  return {
    'docs/schemas.md': page,
    ...Object.fromEntries(
      Object.entries(schemas).map(([topic, [, schema]]) => [`docs/schemas/${topic}.json`, schema]),
    ),
  };
}
