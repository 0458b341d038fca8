import { unregisterBroker } from '@streamline/wire/kafka/apis/64-unregister-broker';
import { controllerDeadlineMs, outcomeOf } from '../context/controller-calls';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

/** As long as clients wait for an answer by default; the request does not say. */
const TIMEOUT_MS = 30_000;

/** Takes a broker out of the cluster. */
export const unregisterBrokerHandler = handler({
  api: unregisterBroker,
  failures: CONTROLLER_FAILURES,
  async handle({ brokerId }, context) {
    const deadlineMs = controllerDeadlineMs(TIMEOUT_MS);
    const { error, metadataIndex } = await context.gateway.controller.unregisterBroker({ brokerId }, { deadlineMs });
    await context.whenApplied(metadataIndex);
    return { throttleTimeMs: 0, ...outcomeOf(error) };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message };
  },
});
