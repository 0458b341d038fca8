import { ErrorCode } from '@streamline/core/types/error-code';
import { describeCluster } from '@streamline/wire/kafka/apis/60-describe-cluster';
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_REQUESTED } from '../context/authorized-operations';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import { addressOf, controllerFor, isAlive, NO_NODE } from '../context/topics';
import { handler } from './handler';

/** KIP-919: whom a client believes to talk to. */
const EndpointType = { broker: 1, controller: 2 } as const;

/** Describes the cluster's brokers. */
export const describeClusterHandler = handler({
  api: describeCluster,
  failures: CONTROLLER_FAILURES,
  handle(request, context) {
    if (request.endpointType === EndpointType.controller) {
      const message = 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER';
      throw new KafkaError(ErrorCode.MISMATCHED_ENDPOINT_TYPE, message);
    }
    if (request.endpointType !== EndpointType.broker) {
      throw new KafkaError(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, `Unsupported endpoint type ${request.endpointType}`);
    }
    const { image } = context;
    const brokers = [...image.brokers.values()].flatMap((broker) => {
      const address = addressOf(broker);
      const alive = isAlive(broker);
      if (address === undefined || !(alive || request.includeFencedBrokers)) return [];
      const { nodeId, host, port, rack } = address;
      // v0 and v1 have no place for it, and list no fenced brokers.
      return [{ brokerId: nodeId, host, port, rack, ...(alive ? {} : { isFenced: true }) }];
    });
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      clusterId: image.clusterId ?? '',
      controllerId: controllerFor(image, context.gateway.nodeId),
      brokers,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_REQUESTED,
    };
  },
  failure(_request, error, context) {
    return {
      throttleTimeMs: 0,
      errorCode: error.code,
      errorMessage: error.message,
      ...(context.apiVersion >= 1 ? { endpointType: EndpointType.broker } : {}),
      clusterId: '',
      controllerId: NO_NODE,
      brokers: [],
    };
  },
});
