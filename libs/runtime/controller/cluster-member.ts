import type { OwnStanding } from '@streamline/core/formation/encounter';
import type { BootstrapMode } from '@streamline/core/formation/formation';
import type { RaftTiming } from '@streamline/core/formation/timing';
import type { BootstrapCluster } from '@streamline/core/metadata/cluster';
import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { Cancel } from '@streamline/runtime/ports/clock';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import type { ControllerEvents } from './controller-role';
import { ControllerRole } from './controller-role';
import type { FormationRefusedError, Formed } from './formation';
import { Formation } from './formation';
import { Encounters, type ForeignMember } from './encounters';
import { ForwardingController, type LocalController } from './forwarding-controller';
import { MembershipKeeper } from './membership-keeper';
import { MembershipService } from './membership-service';
import { GoneMembers } from './gone-members';
import type { JoinedCluster, OpenedLog, OpenLogOptions } from './open-metadata-log';
import { openMetadataLog } from './open-metadata-log';
import type { PeerPorts } from './peer-ports';
import { leftOut, noteOf, refusedMember, removed, replaced, type WayBack } from './retirement';

/** Timeouts of Raft where the settings do not say: the guide's defaults. */
const ELECTION_TIMEOUT_MIN_MS = 1_000;
const ELECTION_TIMEOUT_MAX_MS = 2_000;
/** How often a node that stops looks whether a majority is still there. */
const LOOK_MS = 50;

export interface ClusterMemberEvents extends ControllerEvents {
  /** This node waits to become part of a cluster, and for what. */
  readonly onWaiting: (note: string) => void;
  /** It is part of a cluster, or was already: the log is open. Before anything is answered from it. */
  readonly onOpened: (opened: OpenedLog, replica: MetadataReplica) => void;
  /** What keeps it from becoming the member it is to be. */
  readonly onMembershipProblem: (problem: string) => void;
  /** The cluster has no place for this node any more; it says why, and how it comes back. At most once. */
  readonly onRetired: (refusal: FormationRefusedError) => void;
}

export interface ClusterMemberOptions extends Omit<OpenLogOptions, 'form' | 'address'> {
  /** Where peers reach this node, host:port. */
  readonly address: string;
  readonly incarnationId: string;
  readonly softwareVersion: string;
  readonly mode: BootstrapMode;
  readonly seeds: readonly string[];
  /** How this node comes back once it has no place in the cluster any more, where these are members. */
  readonly wayBack: (memberAddresses: readonly string[]) => string;
  readonly peers: PeerPorts;
  /** What a cluster begins with that begins here. */
  readonly bootstrap: BootstrapCluster;
  readonly events: ClusterMemberEvents;
}

interface Running {
  readonly opened: OpenedLog;
  readonly role: ControllerRole;
  readonly keeper: MembershipKeeper;
}

/**
 * A controller from its start on: becomes part of a cluster, or goes on as the part of one that it was, and offers the
 * cluster's controller and membership to the roles of its node and to other nodes, whatever it is in the consensus.
 */
export class ClusterMember {
  readonly controller: ForwardingController;
  readonly membership: MembershipPort;
  readonly #formation: Formation;
  readonly #encounters: Encounters;
  readonly #stop = new AbortController();
  readonly #gone: GoneMembers;
  #formed: Formed | undefined;
  #running: Running | undefined;
  #opening: Promise<void> | undefined;
  #retired: FormationRefusedError | undefined;

  constructor(private readonly options: ClusterMemberOptions) {
    const { nodeId, directoryId, incarnationId, address, mode, seeds, clock, random, peers, events } = options;
    const init = { nodeId, directoryId, incarnationId, ownAddress: address, mode, seeds };
    this.#formation = new Formation({ init, clock, random, peers, timing: timingOf(options), onWaiting: events.onWaiting });
    this.#gone = new GoneMembers(clock);
    const withoutOwn = (members: readonly string[]): readonly string[] => members.filter((at) => at !== address);
    this.#encounters = new Encounters({
      clock,
      peers,
      own: () => this.#standing(),
      onLeftOut: (members) => this.#retire((way) => leftOut({ ...way, memberAddresses: withoutOwn(members) })),
      onReplaced: (foreign, members) => {
        const clusters = { clusterId: foreign.clusterId ?? '', ownClusterId: this.#clusterId };
        this.#retire((way) => replaced({ ...way, ...clusters, memberAddresses: withoutOwn(members) }));
      },
    });
    this.controller = new ForwardingController({
      whenMajorityGone: (then) => this.#whenMajorityGone(then),
      clock,
      random,
      peers,
      local: () => this.#local(),
      outside: () => this.#outside(),
    });
    this.membership = new MembershipService({
      ...options,
      formation: this.#formation,
      silentMs: this.#electionTimeoutMinMs,
      timing: timingOf(options),
      state: () => ({
        consensus: this.#running?.opened.log,
        clusterId: this.#clusterId,
        clusterEpoch: this.#running?.opened.clusterEpoch ?? 0,
        isRemoved: this.#retired !== undefined,
      }),
      role: () => this.#running?.role,
    });
  }

  /** Resolves once this node is part of a cluster and its log is open. Fails as `openMetadataLog`, `Formation` and `ControllerRole` do. */
  start(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** A clean stop: leadership is handed over, commands that began are answered, everything is on disk. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#opening?.catch(() => undefined);
    const running = this.#running;
    if (running === undefined) return;
    running.keeper.stop();
    // The last nodes of a cluster that stops would wait for answers of those that have stopped.
    const cancel = this.#whenMajorityGone(() => running.opened.log.resign());
    await running.role.stop();
    cancel();
    await running.opened.close();
  }

  /** A connection to the inter-broker listener at this address broke, or was refused: see ControllerRole. */
  connectionLost(address: string): void {
    this.#running?.role.connectionLost(address);
  }

  connectionRefused(address: string): void {
    this.#gone.refused(address);
    this.#running?.role.connectionRefused(address);
  }

  /** The member at this address greeted this node: it is there, whatever connections to it met before. */
  memberHeard(address: string): void {
    this.#gone.heard(address);
    this.#running?.role.memberHeard(address);
  }

  /** A node of another cluster, or of another epoch of this one, dialled this node or was dialled by it. */
  met(foreign: ForeignMember): void {
    if (this.#retired === undefined) this.#encounters.met(foreign);
  }

  #whenMajorityGone(then: () => void): Cancel {
    const { clock, nodeId } = this.options;
    let cancel: Cancel = () => undefined;
    const look = (): void => {
      const { opened } = this.#running ?? {};
      if (opened !== undefined && this.#gone.isMajorityGone(opened.log.members(), nodeId)) then();
      else cancel = clock.schedule(LOOK_MS, look);
    };
    look();
    return () => cancel();
  }

  get #electionTimeoutMinMs(): number {
    return this.options.raft?.electionTimeoutMinMs ?? ELECTION_TIMEOUT_MIN_MS;
  }

  get #clusterId(): string {
    const { opened } = this.#running ?? {};
    return opened?.committed.image.clusterId ?? opened?.clusterId ?? '';
  }

  async #open(): Promise<void> {
    const { options } = this;
    const opened = await openMetadataLog({ ...options, form: () => this.#form() });
    try {
      const role = ControllerRole.start({
        ...options,
        log: opened.log,
        committed: opened.committed,
        expectedClusterId: options.expectedClusterId ?? opened.clusterId,
        isMember: (nodeId, directoryId) => isMember(opened, nodeId, directoryId),
      });
      this.#running = { opened, role, keeper: this.#keep(opened) };
      this.#bindOnceKnown(opened);
      options.events.onOpened(opened, role.replica);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async #form(): Promise<JoinedCluster | undefined> {
    this.#formed = await this.#formation.run(this.#stop.signal);
    if (this.#formed.kind === 'bootstrap') return undefined;
    const { clusterId, clusterEpoch } = this.#formed;
    return { clusterId, clusterEpoch };
  }

  #standing(): OwnStanding | undefined {
    const opened = this.#running?.opened;
    if (opened === undefined) return undefined;
    const { nodeId, directoryId } = this.options;
    const clusterId = opened.committed.image.clusterId ?? opened.clusterId;
    return { nodeId, directoryId, clusterId, clusterEpoch: opened.clusterEpoch, isAlone: opened.log.members().length === 1 };
  }

  #keep(opened: OpenedLog): MembershipKeeper {
    const { nodeId, directoryId, address, incarnationId, seeds, events, raft, clock, random, peers } = this.options;
    return new MembershipKeeper({
      clock,
      random,
      peers,
      consensus: opened.log,
      self: { nodeId, directoryId, address, incarnationId },
      clusterId: () => this.#clusterId,
      contacts: [...(this.#formed?.kind === 'joined' ? this.#formed.addresses : []), ...seeds],
      leaderlessMs: 2 * (raft?.electionTimeoutMaxMs ?? ELECTION_TIMEOUT_MAX_MS),
      onProblem: events.onMembershipProblem,
      onRemoved: () => this.#retire(removed),
      onRefused: (reason) => events.onFatal(refusedMember(reason)),
    });
  }

  #retire(why: (way: WayBack) => FormationRefusedError): void {
    const running = this.#running;
    if (this.#retired !== undefined || running === undefined) return;
    const { nodeId, address, seeds, wayBack, events } = this.options;
    this.#retired = why({ nodeId, memberAddresses: otherAddresses(running.opened, address, seeds), remedy: wayBack });
    running.keeper.stop();
    events.onRetired(this.#retired);
    // Nobody counts on this node any more, and it is to disturb nobody. Who follows its metadata is to hear of it.
    Promise.all([running.role.stop(), running.opened.log.close()]).catch((error: unknown) => this.#fatal(error));
  }

  #fatal(error: unknown): void {
    this.options.events.onFatal(error instanceof Error ? error : new Error(String(error)));
  }

  /** The log, too, is bound to the cluster that it turns out to hold. */
  #bindOnceKnown(opened: OpenedLog): void {
    const { committed } = opened;
    const bind = (): boolean => {
      const { clusterId } = committed.image;
      if (clusterId === undefined) return false;
      opened.bindCluster(clusterId).catch((error: unknown) => this.#fatal(error));
      return true;
    };
    if (bind()) return;
    const unsubscribe = committed.subscribe(() => {
      if (bind()) unsubscribe();
    });
  }

  #local(): LocalController {
    const running = this.#running;
    if (this.#retired !== undefined) throw new PortError('retired', noteOf(this.#retired));
    if (running === undefined) {
      throw new PortError('unavailable', this.#formation.note || 'the controller of this node has not started yet');
    }
    return { role: running.role, consensus: running.opened.log, replica: running.role.replica };
  }

  /** What a node outside of any cluster knows of the quorum; the note is empty inside of one. */
  #outside(): wire.GetQuorumStatusResponse {
    const isOutside = this.#running === undefined;
    const outsideNote = isOutside ? this.#formation.note || 'the controller is starting' : '';
    return {
      nodeState: isOutside ? '' : 'Shutdown',
      nodeId: this.options.nodeId,
      leaderId: undefined,
      committedLogIndex: 0,
      appliedLogIndex: this.#running?.opened.committed.applied.index ?? 0,
      currentTerm: 0,
      voters: [],
      learners: [],
      clusterId: this.#clusterId,
      members: [],
      formationNote: this.#retired === undefined ? outsideNote : noteOf(this.#retired),
    };
  }
}

function timingOf({ raft }: Pick<ClusterMemberOptions, 'raft'>): RaftTiming {
  const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = { ...DEFAULT_RAFT_CONFIG, ...raft };
  return { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs };
}

function isMember({ log }: OpenedLog, nodeId: NodeId, directoryId: DirectoryId): boolean {
  return log.members().some((member) => member.nodeId === nodeId && member.directoryId === directoryId);
}

/** Inter-broker addresses of other members, as far as this node knows them; else its seeds. */
function otherAddresses({ log }: OpenedLog, ownAddress: string, seeds: readonly string[]): readonly string[] {
  const known = log.members().map(({ address }) => address);
  const others = (known.length > 1 ? known : seeds).filter((address) => address !== '' && address !== ownAddress);
  return [...new Set(others)];
}
