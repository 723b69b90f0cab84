/**
 * The consumed topics. The names come from the systems that Unseen replaces, so that their producers need no
 * change.
 */
export const topics = {
  userActivity: 'incoming.user_activity',
  notificationCommand: 'create-user-notification-command',
  userLimits: 'user-limit-events',
} as const;

/**
 * The topic that announces each delivered notification to services that send e-mail, SMS or push. Its name
 * follows the others.
 */
export const notificationCreatedTopic = 'user-notification-created';

/** The suffix of the topic with the dead letters of a topic. */
export const deadLetterSuffix = '.dlq';
