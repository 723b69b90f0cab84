import type { Command } from 'commander';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import { tenant } from './arguments.ts';
import { bytesOf } from './input.ts';
import { elementsOf, maxElementBytes } from './json-elements.ts';
import { progressOf, refuse } from './output.ts';

/** The number of events that are sent to the log at once. */
const batchSize = 500;

/** The progress of an import. */
export interface LimitCounts {
  accepted: number;
  /** The number of events whose type is not about limits. */
  ignored: number;
  invalid: number;
}

/**
 * Appends events to the log in batches, in their order. An interrupted import can run again, because the
 * workers ignore events that they have already applied. Updates `counts` during the work, and calls `onBatch`
 * after each batch.
 */
export async function importLimits(
  { log, clock }: { readonly log: Pick<EventLog, 'send'>; readonly clock: Clock },
  tenantId: string,
  elements: AsyncIterable<Buffer>,
  {
    counts,
    onInvalid,
    onBatch,
  }: {
    readonly counts: LimitCounts;
    onInvalid(index: number, eventId: string | null, reason: string): void;
    onBatch(): void;
  },
): Promise<void> {
  const { ingestLimitEvent } = await import('../events/limit-event.ts');
  let batch: Parameters<EventLog['send']>[0][number][] = [];
  let index = 0;

  async function write(): Promise<void> {
    await log.send(batch);
    counts.accepted += batch.length;
    batch = [];
    onBatch();
  }

  try {
    for await (const element of elements) {
      const isTooLong = element.length > maxElementBytes;
      const result = isTooLong
        ? { outcome: 'INVALID' as const, eventId: null, message: `longer than ${maxElementBytes} bytes` }
        : ingestLimitEvent(tenantId, element, clock.now());
      if (result.outcome === 'ACCEPTED') batch.push(result.record);
      else if (result.outcome === 'IGNORED_TYPE') counts.ignored += 1;
      else {
        counts.invalid += 1;
        onInvalid(index, result.eventId, result.message);
      }
      index += 1;
      if (batch.length >= batchSize) await write();
    }
  } finally {
    // If a part of the file cannot be read, the events before this part are still written.
    if (batch.length > 0) await write();
  }
}

const help = `
The import appends the events to the log, unchanged and in their order. A worker applies them, at once if one is running. It
applies each event once, and their order does not matter. After an interruption run the import again: importing a file twice
changes nothing.

The import ignores events of other types. It reports events that it cannot read by their position in the array, imports the
others and exits with code 1.

Examples:
  unseen import limits limits.json --tenant acme
  zcat limits.json.gz | unseen import limits -
  jq -s . events.jsonl | unseen import limits -     for a file with one event per line`;

export function register(imports: Command): void {
  imports
    .command('limits')
    .description('Import events about limits, in the format of their producer.')
    .argument('<file>', 'a JSON array of events of any size, or - for standard input')
    .option('--tenant <tenant>', 'the tenant of the users', tenant, 'default')
    .addHelpText('after', help)
    .action(importFrom);
}

async function importFrom(source: string, options: { readonly tenant: string }): Promise<void> {
  const events = elementsOf(await bytesOf(source), source === '-' ? 'Standard input' : 'The file');
  const { readConfig } = await import('../config/config.ts');
  const { openLog } = await import('../runtime/backends.ts');
  const { log, clock, close } = await openLog(readConfig());
  const counts = { accepted: 0, ignored: 0, invalid: 0 };
  const report = progressOf('event');
  try {
    await importLimits({ log, clock }, options.tenant, events, {
      counts,
      onInvalid: (index, eventId, reason) =>
        refuse(`event ${index}${eventId === null ? '' : ` (${eventId})`}: ${reason}`),
      onBatch: () => report(counts.accepted + counts.ignored + counts.invalid),
    });
  } finally {
    const { accepted, ignored, invalid } = counts;
    console.log(`accepted ${accepted}, ignored ${ignored} of other types, ${invalid} invalid`);
    await close();
  }
}
