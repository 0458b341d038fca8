import { ErrorCode } from '@streamline/core/types/error-code';
import type { CommandError } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { nullIfEmpty } from './numbers';

const LEAST_DEADLINE_MS = 1000;
const MOST_DEADLINE_MS = 120_000;

/** How long the controller is waited for: as long as the client will, within reason. */
export function controllerDeadlineMs(timeoutMs: number): number {
  return Math.min(Math.max(timeoutMs, LEAST_DEADLINE_MS), MOST_DEADLINE_MS);
}

/** A command's outcome in Kafka's two fields. */
export function outcomeOf(error: CommandError | undefined): { readonly errorCode: number; readonly errorMessage: string | null } {
  return { errorCode: error?.errorCode ?? ErrorCode.NONE, errorMessage: nullIfEmpty(error?.errorMessage) };
}
