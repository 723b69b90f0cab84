import { isRetriable } from '../domain/error.ts';

/**
 * Structured log lines: constant message, data in fields. info: the process changed state; warn: we coped; error:
 * someone should look. No line per event, no bodies, no personal data.
 */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. */
export const silent: Logger = { info() {}, warn() {}, error() {} };

/**
 * The same, but of warnings with one message at most one in `quietMs`, with the number of those held back: what a backend
 * that is away makes every request say is said now and then.
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

/** What the system says of a connection that cannot be made, or is lost. */
const network = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/;

/**
 * The same, but of an error that passes by itself, as when a backend is away, what began it in a line. What nobody foresaw
 * keeps its causes and its trace.
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

/** The error and what caused it, the outermost first; of several addresses tried, the first one's. */
function chainOf(error: unknown): readonly NodeJS.ErrnoException[] {
  const chain: NodeJS.ErrnoException[] = [];
  for (let one = error; one instanceof Error && !chain.includes(one); ) {
    chain.push(one);
    one = one instanceof AggregateError ? one.errors[0] : one.cause;
  }
  return chain;
}
