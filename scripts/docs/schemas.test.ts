import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decode } from '../../src/events/codec.ts';
import { schemaPages } from './schemas.ts';

const pages = schemaPages();
const topics = ['incoming.user_activity', 'create-user-notification-command', 'user-limit-events'] as const;
type Fields = Readonly<Record<string, unknown>>;

/** The three JSON examples of the page for producers, in the order of `topics`. */
const examples = [...readFileSync('docs/producers.md', 'utf8').matchAll(/^```json\n(.*?)^```$/gms)].map(
  ([, json = '']) => JSON.parse(json) as Fields,
);

const schemas = new Map(
  topics.map((topic) => {
    // Removes the defaults, because zod would add a default to only one branch of an intersection.
    const json = JSON.parse(pages[`docs/schemas/${topic}.json`] ?? '', (key, value) =>
      key === 'default' ? undefined : value,
    );
    return [topic as string, z.fromJSONSchema(json)];
  }),
);

function fits(topic: string, fields: Fields): boolean {
  return schemas.get(topic)?.safeParse(JSON.parse(JSON.stringify(fields))).success === true;
}

function isRead(topic: string, fields: Fields): boolean {
  const value = Buffer.from(JSON.stringify(fields));
  const place = { topic, partition: 0, offset: 0n, key: null, headers: {}, appendedAt: new Date() };
  return decode({ ...place, value }).kind === 'event';
}

describe.each(topics.map((topic, index) => [topic, examples[index] as Fields] as const))(
  'the schema of %s',
  (topic, example) => {
    it('accepts the example of the manual', () => {
      expect([fits(topic, example), isRead(topic, example)]).toEqual([true, true]);
    });

    it.each(Object.keys(example))(
      'accepts an absent, null or wrong %s exactly if the reader accepts the value',
      (field) => {
        for (const value of [undefined, null, '', 'x'.repeat(5_000)]) {
          const changed = { ...example, [field]: value };
          expect([value, fits(topic, changed)]).toEqual([value, isRead(topic, changed)]);
        }
      },
    );
  },
);

describe('the schema of user-limit-events', () => {
  const example = examples[2] as { readonly payload: Fields };
  it.each(Object.keys(example.payload))(
    'accepts an absent, null or wrong %s in the payload exactly if the reader accepts the value',
    (field) => {
      for (const value of [undefined, null, '', 'x'.repeat(5_000), -1, 1e15]) {
        const changed = { ...example, payload: { ...example.payload, [field]: value } };
        expect([value, fits('user-limit-events', changed)]).toEqual([
          value,
          isRead('user-limit-events', changed),
        ]);
      }
    },
  );
});
