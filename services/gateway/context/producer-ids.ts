import type { BrokerEpoch, NodeId } from '@streamline/core/types/ids';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { KafkaError } from './kafka-error';

/** How long a client waits for a new block before it is told to come back. */
const ALLOCATE_TIMEOUT_MS = 5000;

/** Hands out producer ids from blocks that the controller gives to this broker alone; one block is asked for at a time. */
export class ProducerIdSource {
  private nextId = 0;
  private endId = 0;
  private allocating: Promise<void> | undefined;

  constructor(
    private readonly nodeId: NodeId,
    private readonly metadata: MetadataReplica,
    private readonly controller: ControllerPort,
  ) {}

  /** @throws KafkaError with COORDINATOR_LOAD_IN_PROGRESS, which every client retries, when there is no block to be had now. */
  async next(): Promise<number> {
    while (this.nextId >= this.endId) {
      this.allocating ??= this.allocate().finally(() => (this.allocating = undefined));
      await this.allocating;
    }
    return this.nextId++;
  }

  private async allocate(): Promise<void> {
    const epoch: BrokerEpoch | undefined = this.metadata.image.brokers.get(this.nodeId)?.epoch;
    if (epoch === undefined) throw unavailable(`broker ${this.nodeId} is not registered yet`);
    const request = { brokerId: this.nodeId, brokerEpoch: epoch };
    const block = await this.controller
      .allocateProducerIds(request, { deadlineMs: ALLOCATE_TIMEOUT_MS })
      .catch((cause: unknown) => {
        throw unavailable('the controller gave no producer ids', cause);
      });
    const code = block.error?.errorCode ?? ErrorCode.NONE;
    if (code !== ErrorCode.NONE) throw unavailable(block.error?.errorMessage ?? `the controller refused producer ids (${code})`);
    this.nextId = block.firstProducerId;
    this.endId = block.firstProducerId + block.count;
  }
}

/** Kafka's own choice while a broker waits for a block (RPCProducerIdManager). */
function unavailable(message: string, cause?: unknown): KafkaError {
  return new KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, message, { cause });
}
