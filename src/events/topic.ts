/**
 * The topics that Unseen consumes. Unseen uses the topic names of the systems that it replaces. So the
 * producers for these systems need no change.
 */
export const topics = {
  userActivity: 'incoming.user_activity',
  notificationCommand: 'create-user-notification-command',
  userLimits: 'user-limit-events',
} as const;

/**
 * The topic with an announcement of each delivered notification, for services that send e-mail, SMS or push
 * messages. Its name is like the names of the consumed topics.
 */
export const notificationCreatedTopic = 'user-notification-created';

/** The suffix of a dead-letter topic. The name before the suffix is the topic of the records. */
export const deadLetterSuffix = '.dlq';
