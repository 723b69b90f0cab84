// Prints the e-mails, text messages and pushes that a service would send, one line per delivered notification. The service
// has its own consumer group, so Unseen needs no setting for it. Several processes of the service share the partitions.
//
//   KAFKA_BROKERS=localhost:9092 npx tsx examples/deliver.ts
//
// Set TOPIC if KAFKA_TOPICS or NAMESPACE of the server changes the name of the topic. GROUP is the consumer group.
import { Kafka, logLevel } from 'kafkajs';

/** The fields that this service reads. src/events/notification-created.ts has all fields. */
interface NotificationCreated {
  /** The id of the delivery. A repeated record has the same id. */
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

/**
 * The ids of the latest deliveries, oldest first. This example loses the ids when the process ends. In your
 * service, store each id together with your record of the sent message.
 */
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

/** Puts text of the sender and the user on one line, without characters that a terminal would interpret. */
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
      console.error(`${TOPIC}/${partition}/${offset} is not JSON. The record is skipped.`);
      return;
    }
    if (!isRepeat(event.id)) deliver(event);
  },
});
