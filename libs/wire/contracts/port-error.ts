/** Why a call through a port failed as a whole; what fails for one topic or partition is in the answer instead. */
export type PortErrorCode =
  /** The callee is not there or went away; what a command did is unknown. */
  | 'unavailable'
  /** No answer within the deadline; what a command did is unknown. */
  | 'deadline'
  /** The caller gave up. */
  | 'cancelled'
  /** Too much is waiting already; nothing was done. */
  | 'overloaded'
  /** The callee's node has no place in the cluster any more, for good; the message says why and how it comes back. */
  | 'retired'
  /** The request itself is wrong; nothing was done. */
  | 'invalid'
  /** A defect, or a peer of another version. */
  | 'internal';

/** The one error that ports reject with, in process as over gRPC. */
export class PortError extends Error {
  constructor(
    readonly code: PortErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'PortError';
  }
}

/**
 * What a log line says of a call that failed: one sentence where the callee, the network or the time was missing, as is normal while nodes
 * come and go; everything, the stack included, where it is a defect.
 */
export function failureFields(error: unknown): { readonly reason: string } | { readonly err: unknown } {
  if (!(error instanceof PortError) || error.code === 'internal') return { err: error };
  return { reason: error.message };
}
