import { createHash, randomUUID } from 'node:crypto';
import { v5 as uuidV5 } from 'uuid';
import { type Caller, callerNameOf } from '../../domain/caller.ts';
import type { Problem } from '../../domain/problem.ts';
import type { KeyIdentity } from '../../ports/store/idempotency.ts';

/**
 * The UUID namespace of event ids that are derived from idempotency keys. The same key always gives the same
 * id, so workers apply the event once.
 */
const keyNamespace = '4f1f0c5e-6a39-4d0b-9a55-0d6f3c1f8b7e';

/** Returns an idempotency key with its scope: tenant, caller and mutation. */
export function keyIdentity(caller: Caller, mutation: string, key: string): KeyIdentity {
  return { tenantId: caller.tenantId, caller: callerNameOf(caller), mutation, key };
}

/**
 * Returns the id of the event that a call records. With a key, the id is derived from the key, so the event
 * is applied once even if the call is repeated. If the call is for several users, `userId` is set and each
 * user gets their own id. Without a key, the id is new.
 */
export function eventIdOf(
  caller: Caller,
  mutation: string,
  key: string | undefined,
  now: Date,
  userId?: string,
): string {
  if (key === undefined) return uuidV7(now);
  const identity = Object.values(keyIdentity(caller, mutation, key));
  return uuidV5(JSON.stringify(userId === undefined ? identity : [...identity, userId]), keyNamespace);
}

let prefix: { readonly at: Date; readonly text: string } | undefined;

/**
 * Makes a version 7 UUID (RFC 9562, section 5.7). The UUID begins with the time, so that rows with the same
 * time are stored next to each other. The other bits are the random bits of a version 4 UUID, which Node
 * generates in batches. Generating random bits for each id, or formatting the time for each event of a bulk,
 * would take 4 % of the time of recording a page view.
 */
function uuidV7(now: Date): string {
  if (prefix?.at !== now) {
    const time = now.getTime().toString(16).padStart(12, '0');
    prefix = { at: now, text: `${time.slice(0, 8)}-${time.slice(8)}-7` };
  }
  return prefix.text + randomUUID().slice(15);
}

/** Returns a digest of the input. Different inputs have different digests. */
export function digestOf(values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url');
}

export function conflict(path: readonly string[]): Problem {
  const message =
    'This idempotency key was used before with different input. Nothing was changed. Use a new key.';
  return { code: 'IDEMPOTENCY_CONFLICT', message, path };
}

/**
 * Returns the text that a key is bound to. The text contains the digest of the input and the problems of the
 * answer. The event ids are not in the text, because they follow from the key and the input.
 */
export function answerOf(digest: string, problems: readonly Problem[]): string {
  return problems.length === 0 ? digest : `${digest} ${JSON.stringify(problems)}`;
}

/** Returns the problems in a text made by `answerOf`. Undefined if the text belongs to different input. */
export function problemsIn(answer: string, digest: string): readonly Problem[] | undefined {
  if (answer === digest) return [];
  return answer.startsWith(`${digest} `) ? JSON.parse(answer.slice(digest.length + 1)) : undefined;
}
