import type { MetadataImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import type { ConnectionFacts } from '@streamline/runtime/gateway/connection';
import type { FetchSessionCache } from '@streamline/runtime/gateway/fetch-sessions';
import type { GatewayMetrics } from '@streamline/runtime/gateway/gateway-metrics';
import type { InFlightBudget } from '@streamline/runtime/gateway/in-flight-budget';
import type { RateLimitedLog } from '@streamline/runtime/gateway/rate-limited-log';
import type { StorageRouter } from '@streamline/runtime/gateway/storage-router';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { GatewayConfig } from './gateway-config';
import type { LeaderGuesses } from './leader-guesses';
import type { VoterCommands } from './membership-at-leader';
import type { TopicCreator } from './topic-creator';
import type { ProducerIdSource } from './producer-ids';

/** Who asks. Everyone is anonymous until there is authentication; handlers ask for the principal already. */
export interface Principal {
  readonly type: string;
  readonly name: string;
}

export const ANONYMOUS: Principal = { type: 'User', name: 'ANONYMOUS' };

/** One API as ApiVersions tells it. */
export interface AdvertisedApi {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** What all requests of a gateway share. */
export interface Gateway {
  /** The broker that this gateway is a part of. */
  readonly nodeId: NodeId;
  readonly config: GatewayConfig;
  readonly metadata: MetadataReplica;
  readonly controller: ControllerPort;
  readonly membership: VoterCommands;
  readonly storage: StorageRouter;
  readonly clock: Clock;
  readonly fetchSessions: FetchSessionCache;
  readonly producerIds: ProducerIdSource;
  readonly topicCreator: TopicCreator;
  readonly leaderGuesses: LeaderGuesses;
  readonly budget: InFlightBudget;
  readonly metrics: GatewayMetrics;
  readonly log: RateLimitedLog;
  readonly advertised: readonly AdvertisedApi[];
}

/** One request's surroundings. */
export class RequestContext {
  readonly principal = ANONYMOUS;

  constructor(
    readonly gateway: Gateway,
    readonly connection: ConnectionFacts,
    readonly apiVersion: number,
    readonly clientId: string | null,
  ) {}

  /** The newest metadata at each look: keep it in a variable where several looks have to agree. */
  get image(): MetadataImage {
    return this.gateway.metadata.image;
  }

  /** Waits, within bounds, until this process sees a change, so that the client's next Metadata shows it. */
  async whenApplied(metadataIndex: number): Promise<void> {
    const index = metadataIndex as MetadataImage['index'];
    await this.gateway.metadata.waitFor(index, this.gateway.config.metadataWaitMs);
  }
}
