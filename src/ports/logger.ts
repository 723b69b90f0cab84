import { isRetriable } from '../domain/error.ts';

/**
 * Writes structured log lines. Each line has a constant message, and its data is in fields. info: the process
 * changed state. warn: the process handled a problem. error: an operator should look at the problem. The
 * logger writes no line per event, no bodies and no personal data.
 */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger that writes nothing. */
export const silent: Logger = { info() {}, warn() {}, error() {} };

/**
 * Creates a logger that writes each warning at most once in `quietMs`. The next warning with the same message
 * has the number of skipped warnings. If a backend is unreachable, every request logs the same warning.
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

/** The error codes of a connection that cannot be opened or is lost. */
const network = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;

/**
 * Creates a logger that writes each error of an unreachable backend in one line, with only its root cause. An
 * unexpected error is written with its causes and its stack.
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
 * Returns the error and its causes, the outermost first. If several addresses were tried, only the error of
 * the first address is included.
 */
function chainOf(error: unknown): readonly NodeJS.ErrnoException[] {
  const chain: NodeJS.ErrnoException[] = [];
  for (let one = error; one instanceof Error && !chain.includes(one); ) {
    chain.push(one);
    one = one instanceof AggregateError ? one.errors[0] : one.cause;
  }
  return chain;
}
