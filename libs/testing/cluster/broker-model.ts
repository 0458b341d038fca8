import { voterId } from '@streamline/core/raft/types';
import type { PartitionImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { ClusterId, MetadataIndex } from '@streamline/core/types/ids';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { BrokerSession, PreviousRun } from '@streamline/runtime/partitions/broker-session';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { BrokerSide } from './broker-side';
import type { ClusterProcess } from './cluster-process';

const PROPOSE_MS_MIN = 100;
const PROPOSE_MS_MAX = 600;
const PROPOSAL_DEADLINE_MS = 2_000;
const WAIT_STEP_MS = 5_000;
/** As the shipped storage role: a quarter of the ten seconds of a stop. */
const LEAVE_MS = 2_500;
const SHRINK_CHANCE = 0.15;

/** The storage side of a node, as far as the controller sees it: the shipped session, and leaders that propose ISRs. */
export class BrokerModel implements BrokerSide {
  #session: BrokerSession | undefined;
  #isStopped = false;

  constructor(
    private readonly process: ClusterProcess,
    private readonly replica: MetadataReplica,
    private readonly random: SeededRandom,
  ) {}

  get epoch(): number {
    return this.#session?.brokerEpoch ?? -1;
  }

  get isServing(): boolean {
    return this.#session?.isFenced === false;
  }

  start(clusterId: ClusterId): void {
    if (this.#session !== undefined || this.#isStopped) return;
    const { process, replica, random } = this;
    const { all, nodeId, directory, clock, line } = process;
    const { cleanBrokerEpoch, sameBoot } = directory;
    const [host = '', port = ''] = line.address.split(':');
    const quiet = (): void => undefined;
    this.#session = new all.code.BrokerSession({
      nodeId,
      incarnationId: process.incarnationId,
      clusterId,
      directoryId: directory.id,
      listeners: [
        { name: 'kafka', host, port: 9092 },
        { name: 'storage', host, port: Number(port) },
      ],
      rack: nodeId % 2 === 0 ? 'even' : undefined,
      controller: process.member.controller,
      clock,
      random: random.fork(),
      log: { info: quiet, warn: (_, message) => process.tell(`broker: ${message}`), error: quiet },
      onSession: quiet,
      sessionTimeoutMs: () => all.settings.sessionTimeoutMs,
      appliedIndex: () => replica.image.index,
      mayHeartbeat: () => true,
    });
    // What it says of its end before holds for the first registration of this life alone.
    directory.cleanBrokerEpoch = -1;
    directory.sameBoot = true;
    void this.#join(this.#session, { cleanBrokerEpoch, sameBoot, storageIsNew: false });
    this.#proposeLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#session?.stop();
  }

  /** A controlled shutdown. */
  async leave(): Promise<void> {
    this.#isStopped = true;
    const session = this.#session;
    if (session === undefined || session.brokerEpoch < 0) return session?.stop();
    if (await session.leave(LEAVE_MS)) this.process.all.counters.controlledShutdowns += 1;
    session.stop();
    this.process.directory.cleanBrokerEpoch = session.brokerEpoch;
  }

  async #join(session: BrokerSession, previous: PreviousRun): Promise<void> {
    const { process } = this;
    const { counters, metadata } = process.all;
    try {
      const index = await session.register(previous);
      counters.registrations += 1;
      const { nodeId: brokerId, incarnationId } = process;
      metadata.acknowledged({ kind: 'registered', brokerId, epoch: session.brokerEpoch, incarnationId, index });
      while (!this.#isStopped && !(await this.replica.waitFor(index, WAIT_STEP_MS))) process.tell(`waits for ${index}`);
      if (this.#isStopped) return;
      await session.run(() => {
        counters.registrationsLost += 1;
        void this.#join(session, { cleanBrokerEpoch: session.brokerEpoch, sameBoot: true, storageIsNew: false });
      });
    } catch (error) {
      if (this.#isStopped) return;
      process.brokerFailed(error);
    }
  }

  #proposeLater(): void {
    this.process.clock.schedule(this.random.integer(PROPOSE_MS_MIN, PROPOSE_MS_MAX), () => {
      if (this.#isStopped) return;
      this.#propose().then(
        () => this.#proposeLater(),
        (error: unknown) => this.process.brokerFailed(error),
      );
    });
  }

  /** One that leads has its ISR grow by who is alive, and now and then shrink. */
  async #propose(): Promise<void> {
    const { process, random } = this;
    const proposal = this.#draw();
    if (proposal === undefined) return;
    const { counters, metadata } = process.all;
    const { partition, isr } = proposal;
    counters.isrProposals += 1;
    const brokers = this.replica.image.brokers;
    const newIsr = isr.map((brokerId) => ({
      brokerId,
      brokerEpoch: random.chance(0.8) ? (brokers.get(brokerId)?.epoch ?? -1) : -1,
    }));
    const request = {
      brokerId: process.nodeId,
      brokerEpoch: this.epoch,
      partitions: [
        {
          topicId: partition.topicId,
          partition: partition.partition,
          leaderEpoch: partition.leaderEpoch,
          partitionEpoch: partition.partitionEpoch,
          newIsr,
        },
      ],
    };
    const answer = await this.#ask(() => process.member.controller.alterPartition(request, { deadlineMs: PROPOSAL_DEADLINE_MS }));
    const [verdict] = answer?.partitions ?? [];
    if (verdict === undefined || verdict.error?.errorCode !== ErrorCode.NONE) {
      counters.isrRefused += 1;
      return;
    }
    counters[isr.length > partition.isr.length ? 'isrGrown' : 'isrShrunk'] += 1;
    const { topicId, partitionEpoch } = verdict;
    metadata.acknowledged({ kind: 'isr', topicId, partition: verdict.partition, partitionEpoch, isr: verdict.isr });
  }

  #draw(): { readonly partition: PartitionImage; readonly isr: readonly PartitionImage['replicas'][number][] } | undefined {
    const { random } = this;
    const { topics, brokers } = this.replica.image;
    const isAlive = (id: PartitionImage['replicas'][number]): boolean => brokers.get(id)?.fenced === false;
    const found = [...topics.values()].flatMap(({ partitions }) =>
      partitions.flatMap((partition) => {
        const { leader, isr, replicas } = partition;
        if (leader !== this.process.nodeId) return [];
        const missing = replicas.filter((id) => !isr.includes(id) && (isAlive(id) || random.chance(0.05)));
        if (missing.length > 0) return [{ partition, isr: [...isr, ...missing] }];
        const others = isr.filter((id) => id !== leader);
        return others.length > 0 && random.chance(SHRINK_CHANCE)
          ? [{ partition, isr: isr.filter((id) => id !== random.pick(others)) }]
          : [];
      }),
    );
    return found.length === 0 ? undefined : random.pick(found);
  }

  async #ask<Answer>(call: () => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof this.process.all.code.PortError || isDiskFault(error)) return undefined;
      throw error;
    }
  }

  /** As its cluster knows it: registered by this process, unfenced. */
  isUnfencedIn(brokers: MetadataReplica['image']['brokers']): boolean {
    const { nodeId, directory } = this.process;
    const known = brokers.get(nodeId);
    return (
      known !== undefined &&
      !known.fenced &&
      known.epoch === this.epoch &&
      voterId(nodeId, known.directoryId) === voterId(nodeId, directory.id)
    );
  }

  get appliedIndex(): MetadataIndex {
    return this.replica.image.index;
  }
}
