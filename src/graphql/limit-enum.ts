import { registerEnumType } from 'type-graphql';

export enum LimitPeriod {
  CALENDAR_DAY = 'CALENDAR_DAY',
  CALENDAR_WEEK = 'CALENDAR_WEEK',
  CALENDAR_MONTH = 'CALENDAR_MONTH',
  DAY = 'DAY',
  WEEK = 'WEEK',
  MONTH = 'MONTH',
  INDEFINITE = 'INDEFINITE',
  INSTANCE = 'INSTANCE',
  UNKNOWN = 'UNKNOWN',
}
registerEnumType(LimitPeriod, {
  name: 'LimitPeriod',
  description: 'The period after which a limit resets.',
  valuesConfig: {
    CALENDAR_DAY: { description: "A calendar day in the user's time zone." },
    CALENDAR_WEEK: { description: "A calendar week from Monday to Sunday in the user's time zone." },
    CALENDAR_MONTH: { description: "A calendar month in the user's time zone." },
    DAY: { description: '24 hours, counted from `activeFrom`.' },
    WEEK: { description: '7 × 24 hours, counted from `activeFrom`.' },
    MONTH: {
      description:
        'One month, counted from `activeFrom`. Each period ends on the day of the month and at the time of `activeFrom`. In a shorter month, the period ends on the last day.',
    },
    INDEFINITE: { description: 'The limit never resets by itself.' },
    INSTANCE: { description: 'The limit applies to each single use.' },
    UNKNOWN: {
      description:
        'No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`.',
    },
  },
});

export enum LimitType {
  BALANCE = 'BALANCE',
  BET = 'BET',
  DEPOSIT = 'DEPOSIT',
  LOSS = 'LOSS',
  SESSION = 'SESSION',
  UNKNOWN = 'UNKNOWN',
}
registerEnumType(LimitType, {
  name: 'LimitType',
  description: 'The kind of amount that a limit restricts.',
  valuesConfig: {
    BALANCE: { description: 'The balance of the user.' },
    BET: { description: 'The stakes of the user.' },
    DEPOSIT: { description: 'The deposits of the user.' },
    LOSS: { description: 'The losses of the user.' },
    SESSION: { description: 'The time of the user, in seconds.' },
    UNKNOWN: {
      description:
        'No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`.',
    },
  },
});

export enum LimitStatus {
  ACTIVE = 'ACTIVE',
  CANCELED = 'CANCELED',
  FUTURE = 'FUTURE',
  IN_COOLDOWN = 'IN_COOLDOWN',
  UNKNOWN = 'UNKNOWN',
}
registerEnumType(LimitStatus, {
  name: 'LimitStatus',
  description: 'Whether a limit applies.',
  valuesConfig: {
    ACTIVE: { description: 'The limit applies.' },
    CANCELED: { description: 'The limit was canceled, or `activeUntil` has passed.' },
    FUTURE: { description: 'The limit does not apply before `activeFrom`.' },
    IN_COOLDOWN: {
      description:
        'A change of the limit takes effect only after the waiting time that the producer requires.',
    },
    UNKNOWN: {
      description:
        'No event contains a value, or this server does not know the value in the event. See `raw` of the events in `history`.',
    },
  },
});

export enum LimitUnit {
  MONEY = 'MONEY',
  SECONDS = 'SECONDS',
}
registerEnumType(LimitUnit, {
  name: 'LimitUnit',
  description: 'The unit of the amounts of a limit.',
  valuesConfig: {
    MONEY: { description: 'Amounts in `currencyCode`.' },
    SECONDS: { description: 'Seconds, for a SESSION limit.' },
  },
});
