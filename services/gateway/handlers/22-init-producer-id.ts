import { ErrorCode } from '@streamline/core/types/error-code';
import { initProducerId } from '@streamline/wire/kafka/apis/22-init-producer-id';
import { COORDINATOR_FAILURES, KafkaError } from '../context/kafka-error';
import { numberOf } from '../context/numbers';
import { handler } from './handler';

const NO_PRODUCER_ID = -1;
const NO_EPOCH = -1;
const FIRST_EPOCH = 0;

/**
 * Gives an idempotent producer its id. An id that it names from v3 on (KIP-360) is replaced by a new one with epoch 0, as in
 * Kafka: only a transactional id has a state in which an epoch could be bumped.
 *
 * Transactional ids are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED until transactions are built: fatal in every
 * client, where other codes are retried.
 */
export const initProducerIdHandler = handler({
  api: initProducerId,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const { transactionalId, producerEpoch } = request;
    if (transactionalId === '') throw new KafkaError(ErrorCode.INVALID_REQUEST, 'an empty transactional id means nothing');
    if (transactionalId !== null) {
      throw new KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'transactions are not available on this broker yet');
    }
    const namesId = numberOf(request.producerId) !== NO_PRODUCER_ID;
    if (namesId !== (producerEpoch !== NO_EPOCH)) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, 'producer id and epoch are given together or not at all');
    }
    const producerId = await context.gateway.producerIds.next();
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId: BigInt(producerId), producerEpoch: FIRST_EPOCH };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, producerId: -1n, producerEpoch: NO_EPOCH };
  },
});
