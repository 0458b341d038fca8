import type { MetadataIndex } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { CallContext } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { MetadataReplica } from '../metadata/metadata-replica';
import { backOff } from '../time/back-off';
import type { ConsensusMembership } from './consensus-membership';
import type { PeerPorts } from './peer-ports';
import { newTopicId } from './topic-ids';

/** How long a command may look for a leader where its caller does not say. */
const DEADLINE_MS = 30_000;
/** Nodes that a command may pass before it is at the leader: more means that they disagree about who that is. */
export const HOPS_MAX = 2;
/** Between two attempts, from the first to the longest. */
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 500;
/** Whether somebody else leads by now is looked at this often while a leader does not answer. */
const LOOK_MS = 50;

/** The controller of this node, once it is part of a cluster. */
export interface LocalController {
  readonly role: ControllerPort;
  readonly consensus: Pick<ConsensusMembership, 'leads' | 'status'>;
  readonly replica: Pick<MetadataReplica, 'waitFor' | 'image'>;
}

export interface ForwardingControllerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly peers: Pick<PeerPorts, 'controllerAt'>;
  /** Fails with a PortError that says why where this node is not part of a cluster. */
  readonly local: () => LocalController;
  /** What is told of the quorum before that. */
  readonly outside: () => wire.GetQuorumStatusResponse;
  /** Calls back once the processes of so many voters are gone that nothing can be committed. */
  readonly whenMajorityGone: (then: () => void) => Cancel;
}

type Command = Exclude<keyof ControllerPort, 'followMetadata' | 'getQuorumStatus'>;
type Asked<Name extends Command> = Parameters<ControllerPort[Name]>[0];
type Answered<Name extends Command> = Awaited<ReturnType<ControllerPort[Name]>>;

/**
 * The controller as every node has it: commands go to whoever leads, here or elsewhere, and are tried again while nobody does,
 * until the caller's deadline. What was answered is visible in this node's own metadata when the caller runs on, if it
 * comes within the deadline. A command of which the answer was lost is sent again and may find its own effect (as with Kafka), but for
 * created topics, which know whose they are.
 */
export class ForwardingController implements ControllerPort {
  constructor(private readonly options: ForwardingControllerOptions) {}

  /** Topics get their ids here, so that a request which is sent again finds what it has created; one that comes from another node has them. */
  createTopics(request: wire.CreateTopicsRequest, context?: CallContext): Promise<wire.CreateTopicsResponse> {
    const { random } = this.options;
    const topics = request.topics.map((topic) => ({ ...topic, topicId: topic.topicId ?? newTopicId(random) }));
    const drawnAtIndex = request.drawnAtIndex ?? this.#shownIndex();
    return this.#command('createTopics', { ...request, topics, drawnAtIndex }, context);
  }

  /** 0 where this node is not part of a cluster yet. */
  #shownIndex(): number {
    try {
      return this.options.local().replica.image.index;
    } catch (error) {
      if (error instanceof PortError) return 0;
      throw error;
    }
  }

  deleteTopics(request: wire.DeleteTopicsRequest, context?: CallContext): Promise<wire.DeleteTopicsResponse> {
    return this.#command('deleteTopics', request, context);
  }

  createPartitions(request: wire.CreatePartitionsRequest, context?: CallContext): Promise<wire.CreatePartitionsResponse> {
    return this.#command('createPartitions', request, context);
  }

  alterConfigs(request: wire.AlterConfigsRequest, context?: CallContext): Promise<wire.AlterConfigsResponse> {
    return this.#command('alterConfigs', request, context);
  }

  allocateProducerIds(
    request: wire.AllocateProducerIdsRequest,
    context?: CallContext,
  ): Promise<wire.AllocateProducerIdsResponse> {
    return this.#command('allocateProducerIds', request, context);
  }

  registerBroker(request: wire.RegisterBrokerRequest, context?: CallContext): Promise<wire.RegisterBrokerResponse> {
    return this.#command('registerBroker', request, context);
  }

  brokerHeartbeat(request: wire.BrokerHeartbeatRequest, context?: CallContext): Promise<wire.BrokerHeartbeatResponse> {
    if (!request.wantShutdown) return this.#command('brokerHeartbeat', request, context);
    return this.#whileMajority(context, (given) => this.#command('brokerHeartbeat', request, given));
  }

  unregisterBroker(request: wire.UnregisterBrokerRequest, context?: CallContext): Promise<wire.UnregisterBrokerResponse> {
    return this.#command('unregisterBroker', request, context);
  }

  /**
   * Sent once, since the fate of a proposal counts: tried again it could be answered "refused" for good while the first
   * sending is still under way. A leader that gets no answer proposes anew and knows that this is the second time (REPL-5).
   * Nor is it answered before this node's metadata shows it: the leader would act on it by configs that are over.
   */
  async alterPartition(request: wire.AlterPartitionRequest, context: CallContext = {}): Promise<wire.AlterPartitionResponse> {
    const answer = await this.#attempt('alterPartition', request, context, this.#endMs(context));
    const { index } = this.options.local().replica.image;
    if (answer.metadataIndex <= index) return answer;
    throw new PortError('deadline', `the metadata of this node is at ${index}, the verdicts are of ${answer.metadataIndex}`);
  }

  electLeaders(request: wire.ElectLeadersRequest, context?: CallContext): Promise<wire.ElectLeadersResponse> {
    return this.#command('electLeaders', request, context);
  }

  alterPartitionReassignments(
    request: wire.AlterPartitionReassignmentsRequest,
    context?: CallContext,
  ): Promise<wire.AlterPartitionReassignmentsResponse> {
    return this.#command('alterPartitionReassignments', request, context);
  }

  reportFailedReplicas(
    request: wire.ReportFailedReplicasRequest,
    context?: CallContext,
  ): Promise<wire.ReportFailedReplicasResponse> {
    return this.#command('reportFailedReplicas', request, context);
  }

  updateFeatures(request: wire.UpdateFeaturesRequest, context?: CallContext): Promise<wire.UpdateFeaturesResponse> {
    return this.#command('updateFeatures', request, context);
  }

  followMetadata(request: wire.FollowMetadataRequest, context?: CallContext): AsyncIterable<wire.FollowMetadataResponse> {
    return this.options.local().role.followMetadata(request, context);
  }

  async getQuorumStatus(request: wire.GetQuorumStatusRequest, context: CallContext = {}): Promise<wire.GetQuorumStatusResponse> {
    const outside = this.options.outside();
    if (outside.formationNote !== '') return outside;
    const { role, consensus } = this.options.local();
    if (!request.ofLeader || consensus.leads) return role.getQuorumStatus(request, context);
    return this.#leader(consensus, context).getQuorumStatus(request, { ...context, hops: (context.hops ?? 0) + 1 });
  }

  async #command<Name extends Command>(name: Name, request: Asked<Name>, context: CallContext = {}): Promise<Answered<Name>> {
    const { clock, random } = this.options;
    const endMs = this.#endMs(context);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(name, request, context, endMs);
      } catch (error) {
        const waitMs = backOff({ attempt, minMs: RETRY_MS_MIN, maxMs: RETRY_MS_MAX, random });
        const isOver = clock.monotonicMs() + waitMs >= endMs || context.signal?.aborted === true;
        if (!(error instanceof PortError) || error.code !== 'unavailable' || isOver) throw error;
        await new Promise<void>((resolve) => clock.schedule(waitMs, resolve));
      }
    }
  }

  /** One sending. The answer, and that it is to be seen here, have to come before `endMs`, monotonic: the end of the whole call. */
  async #attempt<Name extends Command>(
    name: Name,
    request: Asked<Name>,
    given: CallContext,
    endMs: number,
  ): Promise<Answered<Name>> {
    const { consensus, role, replica } = this.options.local();
    const context = { ...given, deadlineMs: this.#leftMs(endMs) };
    if (consensus.leads) return call(role, name, request, context);
    const leader = this.#leader(consensus, context);
    const onward = { ...context, hops: (context.hops ?? 0) + 1 };
    const answer = await this.#whileLeading(consensus, onward, (asked) => call(leader, name, request, asked));
    const index = 'metadataIndex' in answer ? answer.metadataIndex : 0;
    if (index > replica.image.index) await replica.waitFor(index as MetadataIndex, this.#leftMs(endMs));
    return answer;
  }

  #endMs({ deadlineMs = DEADLINE_MS }: CallContext): number {
    return this.options.clock.monotonicMs() + deadlineMs;
  }

  #leftMs(endMs: number): number {
    return Math.max(1, endMs - this.options.clock.monotonicMs());
  }

  /** Gives up on a leader that does not answer once another one is known: what it has not committed it never will. */
  async #whileLeading<Answer>(
    consensus: LocalController['consensus'],
    context: CallContext,
    ask: (context: CallContext) => Promise<Answer>,
  ): Promise<Answer> {
    const { clock } = this.options;
    const { leaderId: asked } = consensus.status;
    const superseded = new AbortController();
    const look = (): void => {
      const { leaderId } = consensus.status;
      if (leaderId !== undefined && leaderId !== asked) superseded.abort();
      else cancel = clock.schedule(LOOK_MS, look);
    };
    let cancel = clock.schedule(LOOK_MS, look);
    const signals = [superseded.signal, ...(context.signal === undefined ? [] : [context.signal])];
    try {
      return await ask({ ...context, signal: AbortSignal.any(signals) });
    } catch (error) {
      if (!superseded.signal.aborted) throw error;
      throw new PortError('unavailable', `node ${asked} leads no longer`, { cause: error });
    } finally {
      cancel();
    }
  }

  /** A node that leaves does not wait for a majority that left before it. */
  async #whileMajority<Answer>(context: CallContext = {}, ask: (context: CallContext) => Promise<Answer>): Promise<Answer> {
    const alone = new AbortController();
    let cancel: Cancel = () => undefined;
    const whenAlone = new Promise<never>((_, reject) => {
      cancel = this.options.whenMajorityGone(() => {
        alone.abort();
        reject(new PortError('unavailable', 'a majority of the voters is gone: nothing can be committed'));
      });
    });
    const signals = [alone.signal, ...(context.signal === undefined ? [] : [context.signal])];
    try {
      return await Promise.race([whenAlone, ask({ ...context, signal: AbortSignal.any(signals) })]);
    } finally {
      cancel();
    }
  }

  #leader(consensus: LocalController['consensus'], { hops = 0 }: CallContext): ControllerPort {
    const { leaderId, leaderAddress, nodeId } = consensus.status;
    if (hops >= HOPS_MAX) {
      throw new PortError('unavailable', `node ${nodeId} does not lead, and the command has passed ${hops} nodes already`);
    }
    if (leaderId === undefined || leaderAddress === undefined) throw new PortError('unavailable', 'no leader is elected');
    if (leaderId === nodeId) throw new PortError('unavailable', `node ${nodeId} has just been elected and is not ready yet`);
    return this.options.peers.controllerAt(leaderAddress);
  }
}

/** One call of the port, of which the compiler can't tell that request and answer belong together. */
function call<Name extends Command>(
  port: ControllerPort,
  name: Name,
  request: Asked<Name>,
  context: CallContext,
): Promise<Answered<Name>> {
  const method = port[name] as (request: Asked<Name>, context: CallContext) => Promise<Answered<Name>>;
  return method.call(port, request, context);
}
