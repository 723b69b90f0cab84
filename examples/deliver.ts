// Prints the e-mails, text messages and pushes that a service would send: one line for each notification that Unseen has
// delivered. A consumer group of its own, so nothing else has to know of it; several of it share the partitions.
//
//   KAFKA_BROKERS=localhost:9092 npx tsx examples/deliver.ts
//
// TOPIC: another name of the topic (KAFKA_TOPICS and NAMESPACE of the server). GROUP: the consumer group.
import { Kafka, logLevel } from 'kafkajs';

/** What this service needs of a record; all there is: src/events/notification-created.ts. */
interface NotificationCreated {
  /** The same id is the same delivery, come twice. */
  readonly id: string;
  readonly tenantId: string;
  readonly data: {
    readonly notification: {
      readonly severity: 'LOW' | 'NORMAL' | 'HIGH' | 'CRITICAL';
      readonly title: string;
      readonly body: string | null;
      readonly actionUrl: string | null;
      readonly deliveredAt: string;
      readonly expiresAt: string | null;
    };
    readonly user: { readonly id: string; readonly timeZone: string };
    readonly badge: { readonly unseen: number };
  };
}

const {
  KAFKA_BROKERS = 'localhost:9092',
  TOPIC = 'user-notification-created',
  GROUP = 'sample-delivery',
} = process.env;

/** The newest ids, the oldest first. Here they end with the process; keep yours where you note what you have sent. */
const done = new Set<string>();
const maxDone = 100_000;

function isRepeat(id: string): boolean {
  if (done.has(id)) return true;
  const [oldest] = done;
  if (done.size === maxDone && oldest !== undefined) done.delete(oldest);
  done.add(id);
  return false;
}

function channelOf({ notification, badge }: NotificationCreated['data']): string {
  if (notification.severity === 'CRITICAL') return 'SMS';
  return notification.severity === 'HIGH' ? `push (badge ${badge.unseen})` : 'e-mail';
}

/** Sender and user wrote these: on one line, and nothing that a terminal takes for a command. */
const plain = (text: string) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');

function deliver({ tenantId, data }: NotificationCreated): void {
  const { notification, user } = data;
  const { title, body, actionUrl, deliveredAt, expiresAt } = notification;
  if (expiresAt !== null && new Date(expiresAt) <= new Date()) return;
  const at = new Date(deliveredAt).toLocaleTimeString('en-GB', { timeZone: user.timeZone });
  const text = [title, body, actionUrl].filter((part) => part !== null).join(' | ');
  console.log(plain(`${channelOf(data)} to ${tenantId}/${user.id} at ${at} ${user.timeZone}: ${text}`));
}

const consumer = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR }).consumer({
  groupId: GROUP,
  maxWaitTimeInMs: 500,
  allowAutoTopicCreation: false,
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void consumer.disconnect().then(() => process.exit(0)));
}
await consumer.connect();
await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ partition, message: { offset, value } }) => {
    let event: NotificationCreated;
    try {
      event = JSON.parse(value?.toString() ?? '');
    } catch {
      console.error(`${TOPIC}/${partition}/${offset} is no JSON and is passed over`);
      return;
    }
    if (!isRepeat(event.id)) deliver(event);
  },
});
