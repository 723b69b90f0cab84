import { isRetriable } from '../domain/error.ts';

/**
 * Writes structured log lines with a constant message and data in fields. info: the process changed state.
 * warn: a problem that the process handled. error: an operator should look at it. No line per event, no
 * bodies, no personal data.
 */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger that writes nothing. */
export const silent: Logger = { info() {}, warn() {}, error() {} };

/**
 * A logger that writes at most one warning per message in `quietMs`, with the number of skipped ones. A
 * backend that is away makes every request log the same warning.
 */
export function withoutStorms(logger: Logger, quietMs = 10_000): Logger {
  const said = new Map<string, { readonly at: number; heldBack: number }>();
  return {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
    warn(fields, message) {
      const last = said.get(message);
      const now = performance.now();
      if (last && now - last.at < quietMs) {
        last.heldBack += 1;
        return;
      }
      said.set(message, { at: now, heldBack: 0 });
      logger.warn(last && last.heldBack > 0 ? { ...fields, heldBack: last.heldBack } : fields, message);
    },
  };
}

/** The codes of connections that cannot be made or are lost. */
const network = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;

/**
 * A logger that writes errors of a backend that is away as one line with their first cause. Unexpected errors
 * keep their causes and their stack.
 */
export function withoutKnownTraces(logger: Logger): Logger {
  const plain = (fields: object) => {
    const { err, ...others } = fields as { readonly err?: unknown };
    const chain = chainOf(err);
    const passes = isRetriable(err) || chain.some(({ code = '' }) => network.test(code));
    if (!passes) return fields;
    const { message = '', code = '' } = chain.at(-1) ?? {};
    const reason = new Error(message.trim().replaceAll(/\s+/g, ' ') || code);
    reason.stack = '';
    return { ...others, err: reason };
  };
  return {
    info: (fields, message) => logger.info(plain(fields), message),
    warn: (fields, message) => logger.warn(plain(fields), message),
    error: (fields, message) => logger.error(plain(fields), message),
  };
}

/**
 * The error and its causes, the outermost first. Of several addresses that were tried, only the error of the
 * first.
 */
function chainOf(error: unknown): readonly NodeJS.ErrnoException[] {
  const chain: NodeJS.ErrnoException[] = [];
  for (let one = error; one instanceof Error && !chain.includes(one); ) {
    chain.push(one);
    one = one instanceof AggregateError ? one.errors[0] : one.cause;
  }
  return chain;
}
