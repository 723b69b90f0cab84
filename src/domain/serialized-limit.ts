import { z } from 'zod';
import { limitPeriods, limitStatuses, limitTypes } from '../events/limit.ts';
import { signedDecimal } from '../events/text.ts';
import type { ZonedLimit } from './limit.ts';

const place = { sequence: z.string().transform(BigInt), event: z.string() };
const moment = z.iso.datetime().transform((at) => new Date(at));
const amount = signedDecimal;

const serializedLimit = z.object({
  tenantId: z.string(),
  userId: z.string(),
  userLimitId: z.string(),
  timeZone: z.string(),
  brandId: z.string(),
  currencyCode: z.string().nullable(),
  type: z.enum(limitTypes),
  period: z.enum(limitPeriods),
  status: z.enum(limitStatuses),
  activeFrom: moment.nullable(),
  activeUntil: moment.nullable(),
  definition: z
    .object({
      ...place,
      value: amount,
      statedPrevious: amount.nullable(),
      initialProgress: amount.nullable(),
    })
    .nullable(),
  earlier: z.object({ ...place, value: amount }).nullable(),
  // Processes of the previous version do not send this field.
  older: z.array(z.object({ ...place, value: amount })).default([]),
  change: z.object({ ...place, previousProgress: amount, amount, remaining: amount.nullable() }).nullable(),
  lastReset: z.object({ ...place, at: moment, value: z.string().nullable() }).nullable(),
  nextReset: z.object({ ...place, at: moment }).nullable(),
  told: z.object({ ...place, event: place.event.default(''), percent: z.int() }).nullable(),
  version: z.int(),
  updatedAt: moment,
});

/** Returns a limit as JSON. */
export function serializeLimit(limit: ZonedLimit): string {
  const { notifiedThreshold, ...state } = limit;
  const { definition, earlier, older, change, lastReset, nextReset } = state;
  return JSON.stringify({
    ...state,
    definition: withText(definition),
    earlier: withText(earlier),
    older: older.map(withText),
    change: withText(change),
    lastReset: withText(lastReset),
    nextReset: withText(nextReset),
    // Processes of earlier versions read this name.
    told: withText(notifiedThreshold),
  });
}

const withText = <Part extends { readonly sequence: bigint }>(part: Part | null) =>
  part && { ...part, sequence: String(part.sequence) };

/** Parses the JSON of a limit. Undefined if the text is not a limit. */
export function parseLimit(text: string): ZonedLimit | undefined {
  try {
    const { told, ...limit } = serializedLimit.parse(JSON.parse(text));
    return { ...limit, notifiedThreshold: told };
  } catch {
    return undefined;
  }
}
