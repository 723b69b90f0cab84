import { InvalidArgumentError } from 'commander';

export function tenant(value: string): string {
  return matching(/^[A-Za-z0-9_.-]{1,64}$/, '1 to 64 of the characters A-Z a-z 0-9 _ . -')(value);
}

export function letterId(value: string): string {
  return matching(
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
    'an id as `unseen dlq ls` prints it',
  )(value).toLowerCase();
}

/** Parses a day. Returns the start of the day in UTC. */
export function day(value: string): Date {
  const start = new Date(`${matching(/^\d{4}-\d\d-\d\d$/, 'a day such as 2026-11-20')(value)}T00:00:00Z`);
  if (!start.toJSON()?.startsWith(value)) throw new InvalidArgumentError('Expected a day that exists.');
  return start;
}

export function between(min: number, max: number) {
  return (value: string): number => {
    const number = Number(matching(/^\d{1,6}$/, `a whole number from ${min} to ${max}`)(value));
    if (number < min || number > max)
      throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
    return number;
  };
}

/** Parses a duration such as 30s. Returns milliseconds. */
export function duration(value: string): number {
  const [, number, unit] = /^([1-9]\d{0,4})(s|m|h)$/.exec(value) ?? [];
  if (!number || !unit) throw new InvalidArgumentError('Expected a duration such as 30s or 2m.');
  return Number(number) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
}

export function limit(value: string): number {
  return Number(matching(/^([1-9]\d{0,2}|1000)$/, 'a whole number from 1 to 1000')(value));
}

export function matching(pattern: RegExp, expected: string) {
  return (value: string): string => {
    if (!pattern.test(value)) throw new InvalidArgumentError(`Expected ${expected}.`);
    return value;
  };
}
