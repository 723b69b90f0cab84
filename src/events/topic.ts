/** The topics that are consumed here. Names of the systems this one replaces, kept so that their producers need no change. */
export const topics = {
  userActivity: 'incoming.user_activity',
  notificationCommand: 'create-user-notification-command',
  userLimits: 'user-limit-events',
} as const;

/** Where other systems hear of each notification that was delivered: e-mail, SMS, push. Named like those above. */
export const notificationCreatedTopic = 'user-notification-created';

/** What follows the name of a topic in the name of the one that gets its dead letters. */
export const deadLetterSuffix = '.dlq';
