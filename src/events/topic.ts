/** The topics of the log. Names of the systems this one replaces, kept so that their producers need no change. */
export const topics = {
  userActivity: 'incoming.user_activity',
  notificationCommand: 'create-user-notification-command',
} as const;
