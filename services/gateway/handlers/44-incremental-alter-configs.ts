import { ConfigOperation } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { incrementalAlterConfigs } from '@streamline/wire/kafka/apis/44-incremental-alter-configs';
import { changeConfigs } from '../context/config-changes';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

/** Kafka's numbers of AlterConfigOp. */
const OPERATIONS: ReadonlyMap<number, ConfigOperation> = new Map([
  [0, ConfigOperation.SET],
  [1, ConfigOperation.DELETE],
  [2, ConfigOperation.APPEND],
  [3, ConfigOperation.SUBTRACT],
]);

/** Sets, deletes, appends to and subtracts from single configs (KIP-339). */
export const incrementalAlterConfigsHandler = handler({
  api: incrementalAlterConfigs,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      changes: configs.map(({ name, value, configOperation }) => ({
        name,
        value: value ?? undefined,
        operation: OPERATIONS.get(configOperation) ?? ConfigOperation.UNSPECIFIED,
      })),
      replaceAll: false,
    }));
    return { throttleTimeMs: 0, responses: await changeConfigs(resources, request.validateOnly, context) };
  },
  failure(request, error) {
    const failed = { errorCode: error.code, errorMessage: error.message };
    const responses = request.resources.map(({ resourceType, resourceName }) => ({ ...failed, resourceType, resourceName }));
    return { throttleTimeMs: 0, responses };
  },
});
