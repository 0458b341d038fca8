import { clusterConfigInteger } from '@streamline/core/metadata/broker-configs';
import { OFFSETS_TOPIC, offsetsTopicReplicas } from '@streamline/core/metadata/offsets-topic';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { CreatableTopic } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { RateLimitedLog } from '@streamline/runtime/gateway/rate-limited-log';

const CREATE_TIMEOUT_MS = 30_000;

/** Most topics that are being created in the background at once. */
const IN_FLIGHT_MAX = 1000;

/**
 * Creates topics that a request needs but does not create itself: auto-created ones and the offsets topic. Nobody waits for
 * it: the request is answered with a retriable error, and clients come back.
 */
export class TopicCreator {
  private readonly inFlight = new Set<string>();

  constructor(
    private readonly controller: ControllerPort,
    private readonly metadata: MetadataReplica,
    private readonly log: RateLimitedLog,
    /** `offsets.topic.num.partitions` of this node. */
    private readonly offsetsTopicPartitions: number,
  ) {}

  /** Has the topic created, unless that is under way already. */
  createSoon(name: string): void {
    if (this.inFlight.has(name) || this.inFlight.size >= IN_FLIGHT_MAX) return;
    this.inFlight.add(name);
    void this.create(name).finally(() => this.inFlight.delete(name));
  }

  private async create(name: string): Promise<void> {
    try {
      const request = { topics: [this.describe(name)], validateOnly: false, timeoutMs: CREATE_TIMEOUT_MS };
      const answer = await this.controller.createTopics(request, { deadlineMs: CREATE_TIMEOUT_MS });
      const error = answer.topics[0]?.error;
      // Another node may have been asked for it as well.
      const isThere =
        error === undefined || error.errorCode === ErrorCode.NONE || error.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS;
      if (!isThere) this.complain(name, error.errorMessage);
    } catch (error) {
      this.complain(name, error instanceof Error ? error.message : String(error));
    }
  }

  private describe(name: string): CreatableTopic {
    if (name !== OFFSETS_TOPIC) return { name, partitions: -1, replicationFactor: -1, assignments: [], configs: [] };
    const { image } = this.metadata;
    return {
      name,
      partitions: this.offsetsTopicPartitions,
      replicationFactor: offsetsTopicReplicas(image),
      assignments: [],
      configs: [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'compression.type', value: 'producer' },
        { name: 'segment.bytes', value: String(clusterConfigInteger(image, 'offsets.topic.segment.bytes')) },
      ],
    };
  }

  private complain(name: string, reason: string): void {
    this.log.write('warn', 'topic-not-created', { topic: name, reason }, 'a topic that clients need could not be created');
  }
}
