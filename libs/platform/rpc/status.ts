import { status, type ServiceError } from '@grpc/grpc-js';
import { PortError, type PortErrorCode } from '@streamline/wire/contracts/port-error';

const STATUS_OF: Readonly<Record<PortErrorCode, status>> = {
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  overloaded: status.RESOURCE_EXHAUSTED,
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
  return new PortError(code, `${path}: ${service.details ?? service.message ?? String(error)}`, { cause: error });
}
