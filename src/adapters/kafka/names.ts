import { deadLetterSuffix } from '../../events/topic.ts';

/** Translates names of topics and groups between Kafka and this project. */
export interface Names {
  inKafka(topic: string): string;
  /**
   * Translates the name of a topic in Kafka to the name in this project. Returns any other name unchanged.
   */
  here(name: string): string;
  group(group: string): string;
}

/**
 * Creates the translation. If a topic is renamed, the topic of its dead letters is renamed in the same way.
 */
export function createNames({
  namespace = '',
  renamed = {},
}: {
  readonly namespace?: string;
  readonly renamed?: Readonly<Record<string, string>>;
}): Names {
  const back = new Map(Object.entries(renamed).map(([ours, theirs]) => [theirs, ours]));
  const withDeadLetters = (name: string, translate: (base: string) => string) =>
    name.endsWith(deadLetterSuffix)
      ? translate(name.slice(0, -deadLetterSuffix.length)) + deadLetterSuffix
      : translate(name);
  return {
    inKafka: (topic) => namespace + withDeadLetters(topic, (base) => renamed[base] ?? base),
    here: (name) =>
      withDeadLetters(
        name.startsWith(namespace) ? name.slice(namespace.length) : name,
        (base) => back.get(base) ?? base,
      ),
    group: (group) => namespace + group,
  };
}
