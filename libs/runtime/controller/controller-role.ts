import { alterConfigs } from '@streamline/core/metadata/alter-configs';
import { alterPartition, reportFailedReplicas } from '@streamline/core/metadata/alter-partition';
import { createPartitions, deleteTopics } from '@streamline/core/metadata/alter-topics';
import { BALANCE_CONFIG, BALANCE_INTERVAL_CONFIG } from '@streamline/core/metadata/broker-config-definitions';
import { clusterConfigInteger, clusterConfigText } from '@streamline/core/metadata/broker-configs';
import { BrokerSessions } from '@streamline/core/metadata/broker-sessions';
import type { RegisterBroker, RegistrationAnswer } from '@streamline/core/metadata/brokers';
import { brokerGone, brokerHeartbeat, registerBroker, unregisterBroker } from '@streamline/core/metadata/brokers';
import type { Incarnation } from '@streamline/core/metadata/broker-suspicions';
import { BrokerSuspicions } from '@streamline/core/metadata/broker-suspicions';
import type { BootstrapCluster } from '@streamline/core/metadata/cluster';
import { allocateProducerIds, bootstrapCluster } from '@streamline/core/metadata/cluster';
import type { CreatedTopic } from '@streamline/core/metadata/create-topics';
import { createTopics } from '@streamline/core/metadata/create-topics';
import { answerOnly, failure, splitRecords } from '@streamline/core/metadata/decision';
import type { Failure } from '@streamline/core/metadata/decision';
import { cancelDrain, drainBroker, replaceForgottenReplicas } from '@streamline/core/metadata/drain-broker';
import { BALANCED_PER_RUN_MAX, balanceLeaders, electLeaders } from '@streamline/core/metadata/elect-leaders';
import { leadersForLeaderless } from '@streamline/core/metadata/elections';
import { growOffsetsTopic, offsetsTopicGrowth } from '@streamline/core/metadata/offsets-topic';
import { alterReassignments } from '@streamline/core/metadata/reassignments';
import type { Removal } from '@streamline/core/metadata/remove-broker';
import { removeBroker } from '@streamline/core/metadata/remove-broker';
import { supportOfNodes, updateFeatures } from '@streamline/core/metadata/update-features';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, TopicId } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { CallContext } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { MetadataReplica } from '../metadata/metadata-replica';
import { UnknownRecordError } from '../metadata/record-codec';
import type { Decide, Outcome } from './command-loop';
import { mayBeTopicId, newTopicId } from './topic-ids';
import { CommandLoop } from './command-loop';
import type { CommittedMetadata } from './committed-metadata';
import type { DrainProgress } from './membership-operations';
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
  /** What a leader makes of a log that holds no cluster yet. */
  readonly bootstrap: BootstrapCluster;
  /** Whether a node with this directory takes part in the consensus: only such a one may be a broker. */
  readonly isMember: (nodeId: NodeId, directoryId: DirectoryId) => boolean;
  readonly events: ControllerEvents;
}

/** A broker is Dead: nothing was heard of it for a whole session, or its process is gone, since its address refuses connections. */
export type BrokerEnd = 'silent' | 'refused';

/** What a host wants to log or count. */
export interface ControllerEvents {
  /** This node leads the consensus from now on, or does so no longer; `term` is what it knows as the present one. */
  readonly onLeadership: (leads: boolean, term: number) => void;
  /** `wasLeaving`: it had said that it stops. */
  readonly onBrokerExpired: (brokerId: NodeId, why: BrokerEnd, wasLeaving: boolean) => void;
  /** Acknowledged records of so many partitions may be lost with a page cache or a disk (P-2, R-6). */
  readonly onPossibleLoss: (brokerId: NodeId, partitions: number) => void;
  /** Leaders of so many partitions were elected though they may lack acknowledged records, as their configs or an operator allow. */
  readonly onUncleanElections: (partitions: number) => void;
  /** So many partitions went back to their preferred leaders. */
  readonly onLeadersBalanced: (partitions: number) => void;
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
  readonly #suspicions = new BrokerSuspicions();
  #cancelTick: Cancel = () => undefined;
  /** Of each broker that this leader was asked to drain, the partitions that it held at first: for the progress alone. */
  readonly #heldAtFirst = new Map<NodeId, number>();
  /** Brokers that leave right now, by how many commands. */
  readonly #keptOut = new Map<NodeId, number>();
  /** When leaderships were last given back to preferred leaders, monotonic. */
  #balancedMs = 0;
  #isFatal = false;
  #leads = false;
  /** What a new leader does first; done at once where this node does not lead. */
  tookUp: Promise<void> = Promise.resolve();

  private constructor(private readonly deps: ControllerRoleDeps) {
    const { clock, log, committed, events } = deps;
    this.#sessions = new BrokerSessions(clock.monotonicMs());
    const { onDefect, onUncleanElections } = events;
    this.#loop = new CommandLoop({
      clock,
      log,
      committed,
      onDefect,
      onUncleanElections,
      onFatal: (error) => this.#fatal(error),
    });
    log.onFailure((error) => this.#fatal(error));
  }

  /** Takes up the work of whatever this node is in the consensus. Fails with ControllerStartError. */
  static start(deps: ControllerRoleDeps): ControllerRole {
    const { committed, expectedClusterId, log } = deps;
    const { clusterId } = committed.image;
    if (clusterId !== undefined && expectedClusterId !== undefined && clusterId !== expectedClusterId) {
      throw new ControllerStartError(
        `The metadata log is that of cluster ${clusterId}, but this data directory belongs to cluster ${expectedClusterId}.`,
      );
    }
    // Who does not lead may still hear which entries of its log are committed.
    if (clusterId === undefined && expectedClusterId !== undefined && log.status.nodeState === 'Leader') {
      throw lostLog(expectedClusterId);
    }
    const role = new ControllerRole(deps);
    log.onLeadership((leads) => role.#leadOrFollow(leads));
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
    const drawnAt = (request.drawnAtIndex ?? 0) as MetadataIndex;
    const topics = request.topics.map((topic) => mapping.toNewTopic(topic, this.#topicIdFor(topic)));
    // Of a command that comes again, what it had created may be gone by now: a node that was away still has the records of that id (S-2).
    const decide: Decide<readonly CreatedTopic[]> = (state) => {
      const fresh = topics.map((topic) =>
        state.mayHaveRemoved(topic.topicId, drawnAt) ? { ...topic, topicId: newTopicId(this.deps.random) } : topic,
      );
      return createTopics(state, { topics: fresh, validateOnly });
    };
    const outcome = await this.#submit(decide, context, request.timeoutMs);
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
    const decide: Decide<RegistrationAnswer> = (state, nextIndex) => {
      const error = this.#outsider(registration);
      return error === undefined ? registerBroker(state, registration, nextIndex) : answerOnly({ error });
    };
    const outcome = await this.#submit(decide, context);
    if (outcome.kind === 'failed') return refused(outcome.failure);
    if (outcome.answer.error !== undefined) return refused(outcome.answer.error);
    const { brokerEpoch, possiblyLost } = outcome.answer;
    this.#sessions.heard(registration.brokerId, brokerEpoch, this.deps.clock.monotonicMs(), registration.features);
    this.#suspicions.heard(registration.brokerId);
    if (possiblyLost > 0) this.deps.events.onPossibleLoss(registration.brokerId, possiblyLost);
    return { error: mapping.toError(undefined), brokerEpoch, metadataIndex: outcome.index };
  }

  /** Not for good: one that was removed finds out by its own controller, and one that joins is a member soon. */
  #outsider({ brokerId, directoryId }: RegisterBroker): Failure | undefined {
    if (this.#keptOut.has(brokerId)) {
      return failure(ErrorCode.BROKER_ID_NOT_REGISTERED, `Node ${brokerId} is being removed from the cluster.`);
    }
    if (this.deps.isMember(brokerId, directoryId)) return undefined;
    const message = `Node ${brokerId} with directory ${directoryId} is not a member of the cluster: it was removed, or has not joined yet.`;
    return failure(ErrorCode.BROKER_ID_NOT_REGISTERED, message);
  }

  async brokerHeartbeat(request: wire.BrokerHeartbeatRequest, context?: CallContext): Promise<wire.BrokerHeartbeatResponse> {
    const command = mapping.toHeartbeat(request);
    // As of now: a connection that is lost while this is decided is the later news, and the broker counts on what it is answered.
    if (this.deps.committed.image.brokers.get(command.brokerId)?.epoch === command.brokerEpoch) {
      this.#suspicions.heard(command.brokerId);
      this.#sessions.heard(command.brokerId, command.brokerEpoch, this.deps.clock.monotonicMs(), request.features);
    }
    const outcome = await this.#submit((state) => brokerHeartbeat(state, command), context);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer.error;
    if (outcome.kind === 'failed' || outcome.answer.error !== undefined) {
      return { error: mapping.toError(error), isFenced: true, shouldShutDown: false, decidedIndex: indexOf(outcome) };
    }
    const { isFenced, shouldShutDown } = outcome.answer;
    return { error: mapping.toError(undefined), isFenced, shouldShutDown, decidedIndex: outcome.index };
  }

  async unregisterBroker(request: wire.UnregisterBrokerRequest, context?: CallContext): Promise<wire.UnregisterBrokerResponse> {
    const outcome = await this.#submit((state) => unregisterBroker(state, request.brokerId as NodeId), context);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer;
    return { error: mapping.toError(error), metadataIndex: indexOf(outcome) };
  }

  async alterPartition(request: wire.AlterPartitionRequest, context?: CallContext): Promise<wire.AlterPartitionResponse> {
    const command = mapping.toAlterPartition(request);
    const outcome = await this.#submit((state) => alterPartition(state, command), context);
    const answer = outcome.kind === 'failed' ? outcome.failure : outcome.answer;
    if ('errorCode' in answer) return { error: mapping.toError(answer), partitions: [], metadataIndex: indexOf(outcome) };
    const partitions = answer.map(mapping.fromIsrVerdict);
    return { error: mapping.toError(undefined), partitions, metadataIndex: indexOf(outcome) };
  }

  async electLeaders(request: wire.ElectLeadersRequest, context?: CallContext): Promise<wire.ElectLeadersResponse> {
    const command = mapping.toElectLeaders(request);
    if ('errorCode' in command) return { error: mapping.toError(command), partitions: [], metadataIndex: 0 };
    const outcome = await this.#submit((state) => electLeaders(state, command), context, request.timeoutMs);
    return mapping.fromPartitionOutcomes(outcome);
  }

  async alterPartitionReassignments(
    request: wire.AlterPartitionReassignmentsRequest,
    context?: CallContext,
  ): Promise<wire.AlterPartitionReassignmentsResponse> {
    const command = mapping.toAlterReassignments(request);
    const outcome = await this.#submit((state) => alterReassignments(state, command), context, request.timeoutMs);
    return mapping.fromPartitionOutcomes(outcome);
  }

  async reportFailedReplicas(
    request: wire.ReportFailedReplicasRequest,
    context?: CallContext,
  ): Promise<wire.ReportFailedReplicasResponse> {
    const command = mapping.toFailedReplicas(request);
    const outcome = await this.#submit((state) => reportFailedReplicas(state, command), context);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer;
    return { error: mapping.toError(error), metadataIndex: indexOf(outcome) };
  }

  async updateFeatures(request: wire.UpdateFeaturesRequest, context?: CallContext): Promise<wire.UpdateFeaturesResponse> {
    const command = mapping.toFeatureUpdates(request);
    const { status } = this.deps.log;
    const others = [...status.voters, ...status.learners].filter((id) => id !== status.nodeId);
    const decide: Decide<Failure | undefined> = (state) => {
      return updateFeatures(state, command, supportOfNodes(state, this.#sessions, others));
    };
    const outcome = await this.#submit(decide, context, request.timeoutMs);
    const error = outcome.kind === 'failed' ? outcome.failure : outcome.answer;
    return { error: mapping.toError(error), metadataIndex: indexOf(outcome) };
  }

  /** Takes a broker out of the cluster for good (see the decision). The failure is that of the command itself. */
  async removeBroker(brokerId: NodeId, force: boolean, context?: CallContext): Promise<Removal | Failure> {
    this.#heldAtFirst.delete(brokerId);
    const outcome = await this.#submit((state) => removeBroker(state, { brokerId, force }), context);
    if (force && outcome.kind === 'done') this.#replaceForgottenReplicas();
    return outcome.kind === 'failed' ? outcome.failure : outcome.answer;
  }

  /** Until what it returns is called this controller registers no broker of that id. */
  keepOut(brokerId: NodeId): () => void {
    this.#keptOut.set(brokerId, (this.#keptOut.get(brokerId) ?? 0) + 1);
    return () => {
      const left = (this.#keptOut.get(brokerId) ?? 1) - 1;
      if (left > 0) this.#keptOut.set(brokerId, left);
      else this.#keptOut.delete(brokerId);
    };
  }

  /** Moves the replicas of a broker that is to leave to others (see the decision); asked again it tells how far that is. */
  async drainBroker(brokerId: NodeId, context?: CallContext): Promise<DrainProgress | Failure> {
    const outcome = await this.#submit((state) => drainBroker(state, brokerId), context);
    if (outcome.kind === 'failed') return outcome.failure;
    const { total } = outcome.answer.held;
    const heldAtFirst = Math.max(total, this.#heldAtFirst.get(brokerId) ?? 0);
    if (total > 0 && outcome.answer.error === undefined) this.#heldAtFirst.set(brokerId, heldAtFirst);
    else this.#heldAtFirst.delete(brokerId);
    return { ...outcome.answer, heldAtFirst };
  }

  /** Calls off all moves away from the broker; tells how many partitions that concerns. */
  async cancelDrain(brokerId: NodeId, context?: CallContext): Promise<number | Failure> {
    this.#heldAtFirst.delete(brokerId);
    const outcome = await this.#submit((state) => cancelDrain(state, brokerId), context);
    return outcome.kind === 'failed' ? outcome.failure : outcome.answer;
  }

  /** A connection to the storage at this address (host:port) was lost. To be told at every controller, leading or not. */
  connectionLost(address: string): void {
    this.#suspicions.lost(this.deps.committed.image, address);
  }

  /** A connection to that address was refused (ECONNREFUSED): where the process is gone by that, so is its broker. */
  connectionRefused(address: string): void {
    const gone = this.#suspicions.refused(this.deps.committed.image, address, this.deps.clock.monotonicMs());
    if (gone !== undefined) this.#declareGone(gone, 'refused');
  }

  /** The member at that address answered, or dialled this node. */
  memberHeard(address: string): void {
    this.#suspicions.reached(this.deps.committed.image, address);
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
      members: log.members().map(mapping.fromMember),
      formationNote: '',
    });
  }

  /** Fails with a PortError where this node does not lead: whoever leads is to be asked. */
  async #submit<Answer>(decide: Decide<Answer>, context?: CallContext, timeoutMs = 0): Promise<Outcome<Answer>> {
    const asked = [context?.deadlineMs ?? 0, timeoutMs].filter((each) => each > 0);
    const outcome = await this.#loop.submit(decide, Math.min(...(asked.length > 0 ? asked : [DEADLINE_MS]), DEADLINE_MS_MAX));
    if (outcome.kind === 'failed' && outcome.failure.errorCode === ErrorCode.NOT_CONTROLLER) {
      throw new PortError('unavailable', outcome.failure.message);
    }
    return outcome;
  }

  #leadOrFollow(leads: boolean): void {
    if (leads !== this.#leads) this.deps.events.onLeadership(leads, this.deps.log.status.term);
    this.#leads = leads;
    if (leads) this.#lead();
    else this.#follow();
  }

  #lead(): void {
    this.#loop.lead();
    this.#sessions = new BrokerSessions(this.deps.clock.monotonicMs());
    this.#balancedMs = this.deps.clock.monotonicMs();
    this.#heldAtFirst.clear();
    for (const gone of this.#suspicions.gone(this.deps.committed.image)) this.#declareGone(gone, 'refused');
    this.#scheduleTick();
    this.tookUp = this.#takeUp();
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
    const { bootstrap, committed, expectedClusterId } = this.deps;
    if (committed.image.clusterId === undefined) {
      if (expectedClusterId !== undefined) return this.#fatal(lostLog(expectedClusterId));
      const outcome = await this.#loop.submit((state) => bootstrapCluster(state, bootstrap), INTERNAL_DEADLINE_MS);
      if (outcome.kind === 'failed') return;
      if (outcome.answer !== undefined) {
        return this.#fatal(new ControllerStartError(`The cluster could not be bootstrapped: ${outcome.answer.message}`));
      }
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
      this.#keepBalance();
      this.#growOffsetsTopic();
      this.#scheduleTick();
    });
  }

  #expireSessions(timeoutMs: number): void {
    const { clock, committed } = this.deps;
    for (const silent of this.#sessions.expired(committed.image, clock.monotonicMs(), timeoutMs)) {
      this.#declareGone(silent, 'silent');
    }
  }

  /** When the interval is over, gives leaderships back to preferred leaders and moves replicas off brokers that were forgotten. */
  #keepBalance(): void {
    const { clock, committed } = this.deps;
    const intervalMs = clusterConfigInteger(committed.image, BALANCE_INTERVAL_CONFIG) * 1000;
    if (clock.monotonicMs() - this.#balancedMs < intervalMs) return;
    this.#balancedMs = clock.monotonicMs();
    this.#replaceForgottenReplicas();
    if (clusterConfigText(committed.image, BALANCE_CONFIG) !== 'false') this.#balanceLeaders();
  }

  #balanceLeaders(): void {
    const { events } = this.deps;
    void this.#loop
      .submit((state) => balanceLeaders(state), INTERNAL_DEADLINE_MS)
      .then((outcome) => {
        if (outcome.kind !== 'done' || outcome.answer === 0) return;
        events.onLeadersBalanced(outcome.answer);
        // There are more, perhaps: the next tick goes on.
        if (outcome.answer === BALANCED_PER_RUN_MAX) this.#balancedMs = -Infinity;
      });
  }

  #replaceForgottenReplicas(): void {
    void this.#loop.submit((state) => replaceForgottenReplicas(state), INTERNAL_DEADLINE_MS);
  }

  /** Gives the offsets topic more replicas where there are more brokers for it than when it was created. */
  #growOffsetsTopic(): void {
    if (offsetsTopicGrowth(this.deps.committed.image).length === 0) return;
    void this.#loop.submit((state) => growOffsetsTopic(state), INTERNAL_DEADLINE_MS);
  }

  /** Nothing comes of it where this controller does not lead, or the broker is back. */
  #declareGone({ brokerId, brokerEpoch }: Incarnation, why: BrokerEnd): void {
    void this.#loop
      .submit((state) => brokerGone(state, brokerId, brokerEpoch), INTERNAL_DEADLINE_MS)
      .then((outcome) => {
        if (outcome.kind !== 'done' || !outcome.answer.isNews) return;
        this.deps.events.onBrokerExpired(brokerId, why, outcome.answer.wasLeaving);
      });
  }

  #topicIdFor({ topicId }: wire.CreatableTopic): TopicId {
    return topicId !== undefined && mayBeTopicId(topicId) ? topicId : newTopicId(this.deps.random);
  }
}

/** Nothing is begun anew over what is there (META-42). */
function lostLog(clusterId: ClusterId): ControllerStartError {
  return new ControllerStartError(
    `This data directory belongs to cluster ${clusterId}, but its metadata log is empty: it was lost, and is not begun anew. ` +
      "Restore the controller's directory as a whole from a copy.",
  );
}

function indexOf(outcome: Outcome<unknown>): number {
  return outcome.kind === 'done' ? outcome.index : 0;
}
