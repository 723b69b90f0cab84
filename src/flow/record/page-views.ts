import type { Caller } from '../../domain/caller.ts';
import { timelinessProblem } from '../../domain/page-view.ts';
import { type Problem, problemsOf } from '../../domain/problem.ts';
import { activityRecorded, activityTypeName, pageViewType } from '../../events/activity.ts';
import type { Event } from '../../events/event.ts';
import { pageViewed } from '../../events/page-view.ts';
import { name } from '../../events/text.ts';
import { type RecordContext, type Recorded, source } from './context.ts';
import { conflict, digestOf, eventIdOf, keyIdentity } from './idempotency.ts';

/** A page view or another activity that a caller reports. */
export interface PageViewInput {
  readonly userId: string;
  readonly name: string;
  /** Absent: now. */
  readonly occurredAt?: Date | undefined;
  readonly path?: string | undefined;
  readonly subjectId?: string | undefined;
  /** The type of the activity. Defaults to a page view. Other types count only in the metrics. */
  readonly activityType?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** The path of this input in the arguments of the mutation. Problems contain the path. */
  readonly at: readonly string[];
}

/** The event of a page view that passed the checks, with its input. */
interface AcceptedView {
  readonly event: Event;
  readonly input: PageViewInput;
}

/** Records the valid views. Returns a problem for each refused view. */
export async function recordPageViews(
  context: RecordContext,
  caller: Caller,
  mutation: string,
  inputs: readonly PageViewInput[],
): Promise<Recorded> {
  const { log, clock, retentionDays, quotas } = context;
  const now = clock.now();
  const problems: Problem[] = [];
  const accepted: AcceptedView[] = [];
  for (const input of inputs) {
    const event = pageViewOf(caller, mutation, input, now);
    if ('problems' in event) {
      problems.push(...event.problems);
      continue;
    }
    const user = { tenantId: caller.tenantId, userId: input.userId };
    const problem =
      timelinessProblem(input.occurredAt ?? now, now, retentionDays, [...input.at, 'occurredAt']) ??
      quotas.activity.take(user, 1, input.at);
    if (problem && !(await wasAccepted(context, caller, mutation, input))) problems.push(problem);
    else accepted.push({ event, input });
  }
  const keyed = accepted.filter(({ input }) => input.idempotencyKey !== undefined);
  const conflicting = new Set(
    keyed.length > 0 ? await bindViewKeys(context, caller, mutation, keyed, now) : [],
  );
  for (const { input } of conflicting) problems.push(conflict([...input.at, 'idempotencyKey']));
  const events = accepted.filter((view) => !conflicting.has(view)).map(({ event }) => event);
  await log.append(events);
  return { eventIds: events.map(({ id }) => id), problems };
}

/**
 * Whether a page view with the same key and input was accepted before. If so, the repeated call gets the same
 * answer, even if the view is too old now.
 */
async function wasAccepted(
  { store }: RecordContext,
  caller: Caller,
  mutation: string,
  input: PageViewInput,
): Promise<boolean> {
  const { idempotencyKey: key } = input;
  return (
    key !== undefined && (await store.boundDigest(keyIdentity(caller, mutation, key))) === digestOfView(input)
  );
}

/** Binds the keys of page views to their inputs. Returns the views whose key is bound to other input. */
async function bindViewKeys(
  { store }: RecordContext,
  caller: Caller,
  mutation: string,
  views: readonly AcceptedView[],
  now: Date,
): Promise<readonly AcceptedView[]> {
  const keys = views.map(({ input }) => ({
    ...keyIdentity(caller, mutation, input.idempotencyKey as string),
    digest: digestOfView(input),
  }));
  const bound = await store.bindKeys(keys, now);
  return views.filter((_, index) => bound[index] !== keys[index]?.digest);
}

function pageViewOf(
  caller: Caller,
  mutation: string,
  input: PageViewInput,
  now: Date,
): Event | { readonly problems: readonly Problem[] } {
  // The user id of a token was validated when the token was verified.
  if (input.userId !== caller.subject) {
    const userId = name.safeParse(input.userId);
    if (!userId.success) return { problems: problemsOf(userId.error, [...input.at, 'userId']) };
  }
  const data = pageViewed.data.safeParse(input);
  if (!data.success) return { problems: problemsOf(data.error, input.at) };
  const { activityType = pageViewType } = input;
  const activity = activityType === pageViewType ? undefined : activityTypeName.safeParse(activityType);
  if (activity?.error) return { problems: problemsOf(activity.error, [...input.at, 'activityType']) };
  // Writes each event as a full literal. Spreading the common fields would take more time than the rest of
  // this function.
  const id = eventIdOf(caller, mutation, input.idempotencyKey, now);
  const { tenantId } = caller;
  const { userId, occurredAt = now } = input;
  if (activity) {
    const { type, schemaVersion } = activityRecorded;
    return { id, source, type, tenantId, userId, occurredAt, data: { activityType }, schemaVersion };
  }
  const { type, schemaVersion } = pageViewed;
  return { id, source, type, tenantId, userId, occurredAt, data: data.data, schemaVersion };
}

function digestOfView({
  userId,
  name,
  occurredAt,
  path,
  subjectId,
  activityType = pageViewType,
}: PageViewInput): string {
  const view = [userId, name, occurredAt, path, subjectId];
  return digestOf(activityType === pageViewType ? view : [...view, activityType]);
}
