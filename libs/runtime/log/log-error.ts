export type LogErrorKind =
  /** The replica cannot be served (S-9, S-11): KAFKA_STORAGE_ERROR. */
  | 'offline'
  /** The offset is before the log's start or after its end. */
  | 'out-of-range'
  /** The partition was deleted, or the engine is closed. */
  | 'gone'
  /** A file of the engine itself is damaged or of an unknown version: the node must not start from it. */
  | 'damaged';

/** Why a log could not do what it was asked; the message names partition, file and offset where there are any. */
export class LogError extends Error {
  constructor(
    readonly kind: LogErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'LogError';
  }
}

/** The platform's error code (`ENOSPC`, `EIO` ...), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
