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
  description: 'How long a limit goes on before it starts anew.',
  valuesConfig: {
    CALENDAR_DAY: { description: "Until midnight in the user's time zone." },
    CALENDAR_WEEK: { description: "Until the midnight before Monday in the user's time zone." },
    CALENDAR_MONTH: { description: "Until the midnight before the 1st in the user's time zone." },
    DAY: { description: '24 hours, counted from `activeFrom`.' },
    WEEK: { description: '7 × 24 hours, counted from `activeFrom`.' },
    MONTH: { description: 'Until the same day and hour of the next month as `activeFrom`, or its last day.' },
    INDEFINITE: { description: 'It never starts anew by itself.' },
    INSTANCE: { description: 'It holds for each single time.' },
    UNKNOWN: { description: 'Not said yet, or something this server does not know; see the raw events.' },
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
  description: 'What a limit limits.',
  valuesConfig: {
    BALANCE: { description: 'What the user may have.' },
    BET: { description: 'What the user may stake.' },
    DEPOSIT: { description: 'What the user may pay in.' },
    LOSS: { description: 'What the user may lose.' },
    SESSION: { description: 'How long the user may stay, in seconds.' },
    UNKNOWN: { description: 'Not said yet, or something this server does not know; see the raw events.' },
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
  description: 'Whether a limit holds.',
  valuesConfig: {
    ACTIVE: { description: 'It holds.' },
    CANCELED: { description: 'It was canceled, or `activeUntil` has passed.' },
    FUTURE: { description: 'It holds from `activeFrom` on.' },
    IN_COOLDOWN: { description: 'A change of it is waiting for the time its producer asks for.' },
    UNKNOWN: { description: 'Not said yet, or something this server does not know; see the raw events.' },
  },
});

export enum LimitUnit {
  MONEY = 'MONEY',
  SECONDS = 'SECONDS',
}
registerEnumType(LimitUnit, {
  name: 'LimitUnit',
  description: 'What the amounts of a limit count.',
  valuesConfig: {
    MONEY: { description: 'Units of `currencyCode`.' },
    SECONDS: { description: 'Seconds: a SESSION limit.' },
  },
});
