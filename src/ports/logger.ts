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
