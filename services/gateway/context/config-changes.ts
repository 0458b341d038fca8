import type { ResourceConfigChange } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { outcomeOf } from './controller-calls';
import type { RequestContext } from './request-context';

const DEADLINE_MS = 30_000;

/** Has the controller change configs, and tells each resource's outcome in their order. */
export async function changeConfigs(resources: ResourceConfigChange[], validateOnly: boolean, context: RequestContext) {
  const answer = await context.gateway.controller.alterConfigs({ resources, validateOnly }, { deadlineMs: DEADLINE_MS });
  if (!validateOnly) await context.whenApplied(answer.metadataIndex);
  return answer.resources.map(({ resourceType, resourceName, error }) => ({ ...outcomeOf(error), resourceType, resourceName }));
}
