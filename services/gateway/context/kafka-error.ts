import { ErrorCode } from '@streamline/core/types/error-code';
import { PortError, type PortErrorCode } from '@streamline/wire/contracts/port-error';

/**
 * A request, or a part of it, that is answered with this error code. It has no stack: it is an answer and nobody's defect, and
 * a request may name a hundred thousand things that are not there (12 µs each with a stack, 2 without).
 */
export class KafkaError extends Error {
  override readonly name = 'KafkaError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** What clients of an API are told when a service behind it fails as a whole. */
export type FailureCodes = Readonly<Record<PortErrorCode, ErrorCode>>;

/**
 * Partition requests. Whether an append took place may be unknown: every code is retriable, and idempotent producers are
 * not confused by the second try. UNKNOWN_SERVER_ERROR would make Java producers give up and applications write again.
 */
export const STORAGE_FAILURES: FailureCodes = {
  unavailable: ErrorCode.NOT_LEADER_OR_FOLLOWER,
  retired: ErrorCode.NOT_LEADER_OR_FOLLOWER,
  deadline: ErrorCode.REQUEST_TIMED_OUT,
  cancelled: ErrorCode.REQUEST_TIMED_OUT,
  overloaded: ErrorCode.REQUEST_TIMED_OUT,
  invalid: ErrorCode.INVALID_REQUEST,
  internal: ErrorCode.KAFKA_STORAGE_ERROR,
};

/** Group requests: clients look the coordinator up again and retry. */
export const COORDINATOR_FAILURES: FailureCodes = {
  unavailable: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  retired: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  deadline: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  cancelled: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  overloaded: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  invalid: ErrorCode.INVALID_REQUEST,
  internal: ErrorCode.COORDINATOR_NOT_AVAILABLE,
};

/** Where clients do not expect COORDINATOR_LOAD_IN_PROGRESS and would give up: they look the coordinator up again. */
export const MEMBER_FAILURES: FailureCodes = { ...COORDINATOR_FAILURES, overloaded: ErrorCode.COORDINATOR_NOT_AVAILABLE };

/** Consumers before Kafka 3.9 take COORDINATOR_NOT_AVAILABLE in an OffsetFetch for final; NOT_COORDINATOR they try again. */
export const OFFSET_FETCH_FAILURES: FailureCodes = {
  ...COORDINATOR_FAILURES,
  unavailable: ErrorCode.NOT_COORDINATOR,
  retired: ErrorCode.NOT_COORDINATOR,
  deadline: ErrorCode.NOT_COORDINATOR,
  cancelled: ErrorCode.NOT_COORDINATOR,
  internal: ErrorCode.NOT_COORDINATOR,
};

/** Changes to the metadata: admin clients retry on NOT_CONTROLLER and REQUEST_TIMED_OUT. */
export const CONTROLLER_FAILURES: FailureCodes = {
  unavailable: ErrorCode.NOT_CONTROLLER,
  retired: ErrorCode.NOT_CONTROLLER,
  deadline: ErrorCode.REQUEST_TIMED_OUT,
  cancelled: ErrorCode.REQUEST_TIMED_OUT,
  overloaded: ErrorCode.REQUEST_TIMED_OUT,
  invalid: ErrorCode.INVALID_REQUEST,
  internal: ErrorCode.UNKNOWN_SERVER_ERROR,
};

/** Whatever was thrown, as an answer to a client. What is no KafkaError and no PortError is a defect of ours. */
export function kafkaErrorOf(error: unknown, codes: FailureCodes): KafkaError {
  if (error instanceof KafkaError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PortError) return new KafkaError(codes[error.code], message, { cause: error });
  return new KafkaError(codes.internal, 'the broker failed to process the request', { cause: error });
}
