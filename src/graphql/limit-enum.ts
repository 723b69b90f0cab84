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
    CALENDAR_DAY: { description: "Ends at midnight in the user's time zone." },
    CALENDAR_WEEK: { description: "Ends at midnight before Monday in the user's time zone." },
    CALENDAR_MONTH: { description: "Ends at midnight before the 1st of the month in the user's time zone." },
    DAY: { description: '24 hours, counted from `activeFrom`.' },
    WEEK: { description: '7 × 24 hours, counted from `activeFrom`.' },
    MONTH: {
      description:
        'Ends at the day and hour of `activeFrom` in the next month, or on the last day of a shorter month.',
    },
    INDEFINITE: { description: 'The limit never resets by itself.' },
    INSTANCE: { description: 'The limit applies to each single use.' },
    UNKNOWN: {
      description:
        'Unknown: no event has set it, or this server does not know the value. See the raw events.',
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
  description: 'The amount that a limit bounds.',
  valuesConfig: {
    BALANCE: { description: 'The balance of the user.' },
    BET: { description: 'The stakes of the user.' },
    DEPOSIT: { description: 'The deposits of the user.' },
    LOSS: { description: 'The losses of the user.' },
    SESSION: { description: 'The time of the user, in seconds.' },
    UNKNOWN: {
      description:
        'Unknown: no event has set it, or this server does not know the value. See the raw events.',
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
    FUTURE: { description: 'The limit applies from `activeFrom` on.' },
    IN_COOLDOWN: { description: 'A change of the limit waits for the time that its producer requires.' },
    UNKNOWN: {
      description:
        'Unknown: no event has set it, or this server does not know the value. See the raw events.',
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
