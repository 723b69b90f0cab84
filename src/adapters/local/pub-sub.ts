import type { Message, PubSub } from '../../ports/pub-sub.ts';

/** Pub/sub inside the process: it loses nothing, so there is never a gap. */
export function createLocalPubSub(): PubSub {
  const listenersByTopic = new Map<string, Set<(message: Message) => void>>();

  return {
    async publish(messages) {
      for (const message of messages) {
        // Of those who listened when it was sent, a listener may meanwhile have unsubscribed another.
        const listeners = listenersByTopic.get(message.topic);
        for (const listener of [...(listeners ?? [])]) if (listeners?.has(listener)) listener(message);
      }
    },
    subscribe(topics, listen) {
      // Its own function per subscription, so that one listener may be subscribed twice.
      const listener = (message: Message) => listen(message);
      for (const topic of topics) {
        const listeners = listenersByTopic.get(topic) ?? new Set();
        listenersByTopic.set(topic, listeners.add(listener));
      }
      return {
        confirmed: Promise.resolve(),
        end() {
          for (const topic of topics) {
            const listeners = listenersByTopic.get(topic);
            if (listeners?.delete(listener) && listeners.size === 0) listenersByTopic.delete(topic);
          }
        },
      };
    },
    onGap: () => () => {},
    health: () => ({ problem: undefined }),
    async close() {
      listenersByTopic.clear();
    },
  };
}
