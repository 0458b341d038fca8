import { status, type ServiceError } from '@grpc/grpc-js';
import type { CallFailure } from '@streamline/wire/contracts/generated/streamline/storage/v1/pipeline';
import { PortError, type PortErrorCode } from '@streamline/wire/contracts/port-error';

const STATUS_OF: Readonly<Record<PortErrorCode, status>> = {
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  overloaded: status.RESOURCE_EXHAUSTED,
  retired: status.FAILED_PRECONDITION,
  invalid: status.INVALID_ARGUMENT,
  internal: status.INTERNAL,
};

const CODE_OF = new Map<status, PortErrorCode>(
  (Object.entries(STATUS_OF) as [PortErrorCode, status][]).map(([code, value]) => [value, code]),
);

/** How a port's failure travels: as a gRPC status with its message. */
export function toStatus(error: unknown): { code: status; details: string } {
  if (error instanceof PortError) return { code: STATUS_OF[error.code], details: error.message };
  return { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}

/** A gRPC failure as the PortError that a direct call would have given. */
export function fromServiceError(error: unknown, path: string): PortError {
  const service = error as Partial<ServiceError>;
  const code = (service.code !== undefined && CODE_OF.get(service.code)) || 'internal';
  const message = service.details ?? service.message ?? String(error);
  // For operators, as it stands, and not about this call.
  return new PortError(code, code === 'retired' ? message : `${path}: ${message}`, { cause: error });
}

/** How the failure of one call of a stream travels, so that it fails alone. */
export function toFailure(error: unknown): CallFailure {
  const { code, details } = toStatus(error);
  return { status: code, message: details };
}

/** The failure of one call of a stream as the PortError that a direct call would have given. */
export function fromFailure({ status: code, message }: CallFailure, path: string): PortError {
  return fromServiceError({ code, details: message }, path);
}
