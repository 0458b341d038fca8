import { ErrorCode } from '@streamline/core/types/error-code';
import type { FeatureRange } from '@streamline/core/metadata/features';
import { finalizedFeatures, supportedFeatures } from '@streamline/core/metadata/features';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import type { RequestOf } from '@streamline/wire/kafka/schema/api';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type ApiVersionsRequest = RequestOf<typeof apiVersions>;

const FIRST_VERSION_WITH_SOFTWARE = 3;
/** KIP-584: clients before v4 fail on a feature whose lowest level is 0, so that it is not named to them. */
const FIRST_VERSION_WITH_LEVEL_0 = 4;

const SOFTWARE_PATTERN = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** Tells which APIs are served, in which versions; the list is what the registry holds. */
export const apiVersionsHandler = handler({
  api: apiVersions,
  failures: CONTROLLER_FAILURES,
  handle(request, context) {
    checkSoftware(request, context);
    checkAddressee(request, context);
    const { image } = context;
    return {
      errorCode: ErrorCode.NONE,
      apiKeys: context.gateway.advertised,
      throttleTimeMs: 0,
      supportedFeatures: supportedFeatures()
        .filter(({ min }) => min > 0 || context.apiVersion >= FIRST_VERSION_WITH_LEVEL_0)
        .map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
      finalizedFeaturesEpoch: BigInt(image.index),
      finalizedFeatures: finalizedFeatures(image).map(finalized),
    };
  },
  failure(_request, error) {
    return { errorCode: error.code, apiKeys: [], throttleTimeMs: 0 };
  },
});

function checkSoftware(request: ApiVersionsRequest, context: RequestContext): void {
  if (context.apiVersion < FIRST_VERSION_WITH_SOFTWARE) return;
  for (const text of [request.clientSoftwareName, request.clientSoftwareVersion]) {
    if (SOFTWARE_PATTERN.test(text)) continue;
    throw new KafkaError(ErrorCode.INVALID_REQUEST, 'client software name and version are letters, digits, dashes and dots');
  }
}

/** KIP-1242: a client that meant another node or cluster has to start from its bootstrap servers again. */
function checkAddressee(request: ApiVersionsRequest, context: RequestContext): void {
  const { clusterId } = context.image;
  const otherCluster = request.clusterId !== null && clusterId !== undefined && request.clusterId !== clusterId;
  const otherNode = request.nodeId >= 0 && request.nodeId !== context.gateway.nodeId;
  if (!otherCluster && !otherNode) return;
  throw new KafkaError(ErrorCode.REBOOTSTRAP_REQUIRED, 'the client means another node or cluster');
}

function finalized({ name, min, max }: FeatureRange) {
  return { name, minVersionLevel: min, maxVersionLevel: max };
}
