import { AppError } from '../../domain/error.ts';

/** What kafkajs throws wraps what it was told, sometimes several times over. */
interface KafkaError extends Error {
  /** The protocol's name of it. */
  readonly type?: string;
  readonly cause?: unknown;
}

/** Of the error and what it wraps, the outermost first. */
function chainOf(error: unknown): readonly KafkaError[] {
  const chain: KafkaError[] = [];
  for (let one = error; one instanceof Error && !chain.includes(one); one = one.cause) chain.push(one);
  return chain;
}

/** Names and protocol types that stay wrong until somebody changes settings, rights or data. */
const permanent = new Set([
  'KafkaJSSASLAuthenticationError',
  'CLUSTER_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'UNSUPPORTED_SASL_MECHANISM',
  'UNSUPPORTED_VERSION',
]);

/**
 * Whether trying again is useless. A list of its own: kafkajs calls errors that pass with the outage, like a coordinator
 * that is not found, not retriable.
 */
export function isPermanent(error: unknown): boolean {
  return chainOf(error).some(({ name, type }) => permanent.has(name) || permanent.has(type ?? ''));
}

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

export function isTooLarge(error: unknown): boolean {
  return chainOf(error).some(({ type }) => tooLarge.has(type ?? ''));
}

/** In a line, for operators. */
export function reasonOf(error: unknown): string {
  return chainOf(error).at(-1)?.message ?? String(error);
}

const isLogin = ({ name, type }: KafkaError) =>
  name === 'KafkaJSSASLAuthenticationError' || type === 'ILLEGAL_SASL_STATE';
const isCertificate = ({ message }: KafkaError) => message.includes('certificate');

/** Whether a broker was reached and there will be no connection until somebody mends the login or the certificate. */
export function isRefusal(error: unknown): boolean {
  return chainOf(error).some((one) => isLogin(one) || isCertificate(one));
}

/** What an operator can do, where that is not plain from the reason. */
export function adviceOn(error: unknown): string | undefined {
  const chain = chainOf(error);
  if (chain.some(isLogin))
    return 'Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, and that this listener takes such a login.';
  if (chain.some(isCertificate))
    return 'Let NODE_EXTRA_CA_CERTS name the file of the authority that signed it, and KAFKA_BROKERS the hosts it is made out to.';
  return undefined;
}

export function unavailable(cause: unknown): AppError {
  return new AppError('UNAVAILABLE', 'The log is away; try again.', { cause });
}
