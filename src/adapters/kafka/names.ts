import { deadLetterSuffix } from '../../events/topic.ts';

/** How topics and groups are called in Kafka, and here. */
export interface Names {
  inKafka(topic: string): string;
  /** The way back; what is not one of ours stays as it is. */
  here(name: string): string;
  group(group: string): string;
}

/** A renamed topic takes its dead letters with it. */
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
