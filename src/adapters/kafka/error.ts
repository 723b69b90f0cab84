import { AppError } from '../../domain/error.ts';

/** An error of kafkajs. It may contain the original error, sometimes inside several other errors. */
interface KafkaError extends Error {
  /** The name of the error in Kafka's protocol. */
  readonly type?: string;
  readonly cause?: unknown;
}

/** Returns the error and the errors that it wraps, outermost first. */
function chainOf(error: unknown): readonly KafkaError[] {
  const chain: KafkaError[] = [];
  for (let one = error; one instanceof Error && !chain.includes(one); one = one.cause) chain.push(one);
  return chain;
}

/** The names and protocol types of errors that remain until an operator changes settings, rights or data. */
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
 * Whether a retry is useless. Uses its own list, because kafkajs marks some errors that end with an outage as
 * not retriable, for example a missing coordinator.
 */
export function isPermanent(error: unknown): boolean {
  return chainOf(error).some(({ name, type }) => permanent.has(name) || permanent.has(type ?? ''));
}

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

export function isTooLarge(error: unknown): boolean {
  return chainOf(error).some(({ type }) => tooLarge.has(type ?? ''));
}

/** Describes the error in one line, for operators. */
export function reasonOf(error: unknown): string {
  return chainOf(error).at(-1)?.message ?? String(error);
}

const isLogin = ({ name, type }: KafkaError) =>
  name === 'KafkaJSSASLAuthenticationError' || type === 'ILLEGAL_SASL_STATE';
const isCertificate = ({ message }: KafkaError) => message.includes('certificate');

/**
 * Whether a broker answers but refuses every connection until an operator fixes the login or the certificate.
 */
export function isRefusal(error: unknown): boolean {
  return chainOf(error).some((one) => isLogin(one) || isCertificate(one));
}

/** Returns advice for the operator. Undefined if the reason already says what to do. */
export function adviceOn(error: unknown): string | undefined {
  const chain = chainOf(error);
  if (chain.some(isLogin))
    return 'Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, and that this listener accepts such a login.';
  if (chain.some(isCertificate))
    return 'Set NODE_EXTRA_CA_CERTS to the file of the authority that signed the certificate, and KAFKA_BROKERS to the hosts that the certificate names.';
  return undefined;
}

export function unavailable(cause: unknown): AppError {
  return new AppError('UNAVAILABLE', 'The log is away. Try again.', { cause });
}
