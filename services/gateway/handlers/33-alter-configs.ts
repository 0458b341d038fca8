import { ConfigOperation } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { alterConfigs } from '@streamline/wire/kafka/apis/33-alter-configs';
import { changeConfigs } from '../context/config-changes';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

/** Replaces all dynamic configs of a resource: what is not named goes back to its default. */
export const alterConfigsHandler = handler({
  api: alterConfigs,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      changes: configs.map(({ name, value }) => ({ name, value: value ?? undefined, operation: ConfigOperation.SET })),
      replaceAll: true,
    }));
    return { throttleTimeMs: 0, responses: await changeConfigs(resources, request.validateOnly, context) };
  },
  failure(request, error) {
    const failed = { errorCode: error.code, errorMessage: error.message };
    const responses = request.resources.map(({ resourceType, resourceName }) => ({ ...failed, resourceType, resourceName }));
    return { throttleTimeMs: 0, responses };
  },
});
