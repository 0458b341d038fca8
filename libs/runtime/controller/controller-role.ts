import { alterConfigs } from '@streamline/core/metadata/alter-configs';
import { createPartitions, deleteTopics } from '@streamline/core/metadata/alter-topics';
import { clusterConfigInteger } from '@streamline/core/metadata/broker-configs';
import { BrokerSessions } from '@streamline/core/metadata/broker-sessions';
import { brokerHeartbeat, expireSession, registerBroker } from '@streamline/core/metadata/brokers';
import type { BootstrapCluster } from '@streamline/core/metadata/cluster';
import { allocateProducerIds, bootstrapCluster } from '@streamline/core/metadata/cluster';
import { createTopics } from '@streamline/core/metadata/create-topics';
import { failure, splitRecords } from '@streamline/core/metadata/decision';
import { leadersForLeaderless } from '@streamline/core/metadata/elections';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, ClusterId, NodeId, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { MetadataReplica } from '../metadata/metadata-replica';
import { UnknownRecordError } from '../metadata/record-codec';
import type { Decide, Outcome } from './command-loop';
import { CommandLoop } from './command-loop';
import type { CommittedMetadata } from './committed-metadata';
import type { MetadataLog } from './metadata-log';
import * as mapping from './port-mapping';

/** How long a command may take where its caller does not say, and the longest that a caller may say. */
const DEADLINE_MS = 30_000;
const DEADLINE_MS_MAX = 600_000;
/** Sessions are looked at this many times within one session timeout, but not more often than every so many ms. */
const TICKS_PER_SESSION = 10;
const TICK_MS_MIN = 100;
/** How long an internal command (bootstrap, an expired session) may take. */
const INTERNAL_DEADLINE_MS = 60_000;

/** The cluster cannot be what it was told to be. */
export class ControllerStartError extends Error {
  override readonly name = 'ControllerStartError';
}

export interface ControllerRoleDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: MetadataLog;
  readonly committed: CommittedMetadata;
  /** The cluster that this directory belongs to; undefined where it belongs to none yet. It is bound after the log has it. */
  readonly expectedClusterId: ClusterId | undefined;
  /** Used only where the log holds no cluster yet; undefined: this node never begins one. */
  readonly bootstrap: BootstrapCluster | undefined;
  readonly events: ControllerEvents;
}

/** What a host wants to log or count. */
export interface ControllerEvents {
  readonly onBrokerExpired: (brokerId: NodeId) => void;
  /** Acknowledged records of so many partitions may be lost with a page cache or a disk (P-2, R-6). */
  readonly onPossibleLoss: (brokerId: NodeId, partitions: number) => void;
  /** A request that could not be decided. */
  readonly onDefect: (error: Error) => void;
  /** The controller cannot go on; the process is to exit (J-9). */
  readonly onFatal: (error: Error) => void;
}

/** The cluster's controller: turns requests into commands to the metadata, one writer, each answered once it is committed. */
export class ControllerRole implements ControllerPort {
  readonly #loop: CommandLoop;
  readonly #stop = new AbortController();
  #sessions: BrokerSessions;
  #cancelTick: Cancel = () => undefined;
  #isFatal = false;

  private constructor(private readonly deps: ControllerRoleDeps) {
    const { clock, log, committed, events } = deps;
    this.#sessions = new BrokerSessions(clock.monotonicMs());
    this.#loop = new CommandLoop({ clock, log, committed, onDefect: events.onDefect, onFatal: (error) => this.#fatal(error) });
    log.onFailure((error) => this.#fatal(error));
  }

  /** Resolves when the cluster exists and commands are taken. Fails with ControllerStartError. */
  static async start(deps: ControllerRoleDeps): Promise<ControllerRole> {
    const { committed, expectedClusterId, log } = deps;
    const { clusterId } = committed.image;
    if (clusterId !== undefined && expectedClusterId !== undefined && clusterId !== expectedClusterId) {
      throw new ControllerStartError(
        `The metadata log is that of cluster ${clusterId}, but this data directory belongs to cluster ${expectedClusterId}.`,
      );
    }
    if (clusterId === undefined && expectedClusterId !== undefined) {
      throw new ControllerStartError(
        `This data directory belongs to cluster ${expectedClusterId}, but its metadata log is empty: it was lost, and is not begun anew. ` +
          "Restore the controller's directory as a whole from a copy.",
      );
    }
    const role = new ControllerRole(deps);
    log.onLeadership((leads) => (leads ? role.#lead() : role.#follow()));
    try {
      await role.#takeUp();
    } catch (error) {
      await role.stop();
      throw error;
    }
    return role;
  }

  /** The committed metadata of this process: what a caller was answered is visible here before. */
  get replica(): MetadataReplica {
    return this.deps.committed;
  }

  /** Ends streams and timers, and resolves when the commands that have begun are answered. The log is closed by who opened it. */
  async stop(): Promise<void> {
    this.#cancelTick();
    await this.#loop.stop();
    this.#cancelTick();
    this.#stop.abort();
  }

  async createTopics(request: wire.CreateTopicsRequest, context?: CallContext): Promise<wire.CreateTopicsResponse> {
    const { validateOnly } = request;
    const topics = request.topics.map((topic) => mapping.toNewTopic(topic, this.#newTopicId()));
    const outcome = await this.#submit((state) => createTopics(state, { topics, validateOnly }), context, request.timeoutMs);
    if (outcome.kind === 'failed') {
      return { topics: topics.map(({ name }) => mapping.failedTopic(name, outcome.failure)), metadataIndex: 0 };
    }
    return { topics: outcome.answer.map((topic) => mapping.fromCreatedTopic(topic, validateOnly)), metadataIndex: outcome.index };
  }

  async deleteTopics(request: wire.DeleteTopicsRequest, context?: CallContext): Promise<wire.DeleteTopicsResponse> {
    const references = request.topics.map(({ name, topicId }) => ({ name, topicId: topicId as TopicId | undefined }));
    const outcome = await this.#submit((state) => deleteTopics(state, references), context, request.timeoutMs);
    const answer =
      outcome.kind === 'done' ? outcome.answer : references.map((reference) => ({ ...reference, error: outcome.failure }));
    return { topics: answer.map(mapping.fromDeletedTopic), metadataIndex: indexOf(outcome) };
  }

  async createPartitions(request: wire.CreatePartitionsRequest, context?: CallContext): Promise<wire.CreatePartitionsResponse> {
    const command = { topics: request.topics.map(mapping.toMorePartitions), validateOnly: request.validateOnly };
    const outcome = await this.#submit((state) => createPartitions(state, command), context, request.timeoutMs);
    const answer =
      outcome.kind === 'done' ? outcome.answer : command.topics.map(({ name }) => ({ name, error: outcome.failure }));
    return { topics: answer.map(mapping.fromNamedOutcome), metadataIndex: indexOf(outcome) };
  }

  async alterConfigs(request: wire.AlterConfigsRequest, context?: CallContext): Promise<wire.AlterConfigsResponse> {
    const command = { resources: request.resources.map(mapping.toResourceChange), validateOnly: request.validateOnly };
    const outcome = await this.#submit((state) => alterConfigs(state, command), context);
    const answer =
      outcome.kind === 'done' ? outcome.answer : command.resources.map((resource) => ({ ...resource, error: outcome.failure }));
    return { resources: answer.map(mapping.fromResourceOutcome), metadataIndex: indexOf(outcome) };
  }

  async allocateProducerIds(
    request: wire.AllocateProducerIdsRequest,
    context?: CallContext,
  ): Promise<wire.AllocateProducerIdsResponse> {
    const brokerId = request.brokerId as NodeId;
    const brokerEpoch = request.brokerEpoch as BrokerEpoch;
    const outcome = await this.#submit((state) => allocateProducerIds(state, brokerId, brokerEpoch), context);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer.error;
    if (outcome.kind === 'failed' || outcome.answer.error !== undefined) {
      return { error: mapping.toError(error), firstProducerId: -1, count: 0 };
    }
    return { error: mapping.toError(undefined), firstProducerId: outcome.answer.first, count: outcome.answer.count };
  }

  async registerBroker(request: wire.RegisterBrokerRequest, context?: CallContext): Promise<wire.RegisterBrokerResponse> {
    const refused = (reason: { errorCode: number; message: string }): wire.RegisterBrokerResponse => {
      return { error: mapping.toError(reason), brokerEpoch: -1, metadataIndex: 0 };
    };
    let command;
    try {
      command = mapping.toRegistration(request);
    } catch (error) {
      if (error instanceof UnknownRecordError) return refused(failure(ErrorCode.INVALID_REGISTRATION, error.message));
      throw error;
    }
    const registration = command;
    const outcome = await this.#submit((state, nextIndex) => registerBroker(state, registration, nextIndex), context);
    if (outcome.kind === 'failed') return refused(outcome.failure);
    if (outcome.answer.error !== undefined) return refused(outcome.answer.error);
    const { brokerEpoch, possiblyLost } = outcome.answer;
    this.#sessions.heard(registration.brokerId, brokerEpoch, this.deps.clock.monotonicMs());
    if (possiblyLost > 0) this.deps.events.onPossibleLoss(registration.brokerId, possiblyLost);
    return { error: mapping.toError(undefined), brokerEpoch, metadataIndex: outcome.index };
  }

  async brokerHeartbeat(request: wire.BrokerHeartbeatRequest, context?: CallContext): Promise<wire.BrokerHeartbeatResponse> {
    const command = mapping.toHeartbeat(request);
    const outcome = await this.#submit((state) => brokerHeartbeat(state, command), context);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer.error;
    if (outcome.kind === 'failed' || outcome.answer.error !== undefined) {
      return { error: mapping.toError(error), isFenced: true, shouldShutDown: false };
    }
    this.#sessions.heard(command.brokerId, command.brokerEpoch, this.deps.clock.monotonicMs());
    const { isFenced, shouldShutDown } = outcome.answer;
    return { error: mapping.toError(undefined), isFenced, shouldShutDown };
  }

  followMetadata(request: wire.FollowMetadataRequest, context?: CallContext): AsyncIterable<wire.FollowMetadataResponse> {
    const signals = context?.signal === undefined ? [this.#stop.signal] : [this.#stop.signal, context.signal];
    return this.deps.committed.follow(request.fromIndex, AbortSignal.any(signals));
  }

  getQuorumStatus(): Promise<wire.GetQuorumStatusResponse> {
    const { log, committed } = this.deps;
    const { nodeState, nodeId, leaderId, term, committedIndex, voters, learners } = log.status;
    return Promise.resolve({
      nodeState,
      nodeId,
      leaderId,
      committedLogIndex: committedIndex,
      appliedLogIndex: committed.applied.index,
      currentTerm: term,
      voters: [...voters],
      learners: [...learners],
      clusterId: committed.image.clusterId ?? '',
    });
  }

  #submit<Answer>(decide: Decide<Answer>, context?: CallContext, timeoutMs = 0): Promise<Outcome<Answer>> {
    const asked = [context?.deadlineMs ?? 0, timeoutMs].filter((each) => each > 0);
    return this.#loop.submit(decide, Math.min(...(asked.length > 0 ? asked : [DEADLINE_MS]), DEADLINE_MS_MAX));
  }

  #lead(): void {
    this.#loop.lead();
    this.#sessions = new BrokerSessions(this.deps.clock.monotonicMs());
    this.#scheduleTick();
  }

  #follow(): void {
    this.#loop.follow();
    this.#cancelTick();
  }

  /** The log and the loop may both notice: the host hears of it once. */
  #fatal(error: Error): void {
    if (this.#isFatal) return;
    this.#isFatal = true;
    this.#cancelTick();
    this.deps.events.onFatal(error);
  }

  /** Begins the cluster where there is none, and mends what a controller left half done. */
  async #takeUp(): Promise<void> {
    const { bootstrap, committed } = this.deps;
    if (committed.image.clusterId === undefined && bootstrap !== undefined) {
      const outcome = await this.#loop.submit((state) => bootstrapCluster(state, bootstrap), INTERNAL_DEADLINE_MS);
      const refusal = outcome.kind === 'failed' ? outcome.failure : outcome.answer;
      if (refusal !== undefined) throw new ControllerStartError(`The cluster could not be bootstrapped: ${refusal.message}`);
    }
    await this.#loop.submit((state) => {
      return { entries: splitRecords(leadersForLeaderless(state)), answer: undefined };
    }, INTERNAL_DEADLINE_MS);
  }

  #scheduleTick(): void {
    this.#cancelTick();
    const timeoutMs = clusterConfigInteger(this.deps.committed.image, 'broker.session.timeout.ms');
    const tickMs = Math.max(TICK_MS_MIN, timeoutMs / TICKS_PER_SESSION);
    this.#cancelTick = this.deps.clock.schedule(tickMs, () => {
      this.#expireSessions(timeoutMs);
      this.#scheduleTick();
    });
  }

  #expireSessions(timeoutMs: number): void {
    const { clock, committed, events } = this.deps;
    for (const { brokerId, brokerEpoch } of this.#sessions.expired(committed.image, clock.monotonicMs(), timeoutMs)) {
      void this.#loop
        .submit((state) => expireSession(state, brokerId, brokerEpoch), INTERNAL_DEADLINE_MS)
        .then((outcome) => {
          if (outcome.kind === 'done' && outcome.answer.expired) events.onBrokerExpired(brokerId);
        });
    }
  }

  #newTopicId(): TopicId {
    for (;;) {
      const id = this.deps.random.bytes(16).toString('base64url') as TopicId;
      // A leading "-" is taken for a flag by tools (as in Kafka).
      if (id !== ZERO_TOPIC_ID && !id.startsWith('-')) return id;
    }
  }
}

function indexOf(outcome: Outcome<unknown>): number {
  return outcome.kind === 'done' ? outcome.index : 0;
}
