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
