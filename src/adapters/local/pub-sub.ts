import type { Message, PubSub } from '../../ports/pub-sub.ts';

/** Creates pub/sub for one process. It loses no message, so it never reports a gap. */
export function createLocalPubSub(): PubSub {
  const listenersByTopic = new Map<string, Set<(message: Message) => void>>();

  return {
    async publish(messages) {
      for (const message of messages) {
        // A listener may unsubscribe another listener during the delivery of the message.
        const listeners = listenersByTopic.get(message.topic);
        for (const listener of [...(listeners ?? [])]) if (listeners?.has(listener)) listener(message);
      }
    },
    subscribe(topics, listen) {
      // Each subscription wraps the listener in its own function. So the same listener can be subscribed
      // twice.
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
