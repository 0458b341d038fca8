import type { Ack } from '@streamline/core/replication/inputs';
import { ControllerModel } from './controller-model';
import type { AlterPartitionAnswer, AlterPartitionRequest, Departure, PartitionRules } from './controller-model';
import type { ModelLog } from './model-log';
import { patchedCore } from './patched-core';
import type { Patch } from './patched-core';
import type { Plan } from './plan';
import { SOUND_HOST } from './replica-host';
import type { HostRules } from './replica-host';
import type { SimulationKind } from './simulation';

/** A bug that the core, its host or the controller could have. */
export interface PlantedBug {
  /** What the buggy code does. */
  readonly does: string;
  /** Lines of the core. */
  readonly patches?: readonly Patch[];
  readonly host?: Partial<HostRules>;
  readonly controller?: typeof ControllerModel;
  /** Where it hardly shows otherwise. */
  readonly plan?: Partial<Plan>;
  /** Simulations find it within so many seeds. */
  readonly seedsMax: number;
}

/** What has the bug; the core's own assertions are off. */
export async function simulationWith(bug: Omit<PlantedBug, 'does' | 'seedsMax'>): Promise<SimulationKind> {
  return {
    make: await patchedCore(bug.patches ?? []),
    rules: { ...SOUND_HOST, ...bug.host },
    controller: bug.controller ?? ControllerModel,
    plan: bug.plan,
  };
}

function core(
  does: string,
  seedsMax: number,
  ...patches: readonly (readonly [file: string, find: string, instead: string])[]
): PlantedBug {
  return { does, seedsMax, patches: patches.map(([file, find, instead]) => ({ file, find, instead })) };
}

/** Says that everything in the log is durable. */
function hastyAck(ack: Ack, log: ModelLog): Ack {
  return { ...ack, writtenEndOffset: log.endOffset, durableEndOffset: log.endOffset };
}

/** Does not ask which incarnation of a broker is meant (KIP-903). */
class ForgetfulController extends ControllerModel {
  override alterPartition(request: AlterPartitionRequest): AlterPartitionAnswer {
    const newIsr = request.newIsr.map((member) => ({ ...member, brokerEpoch: -1 as typeof member.brokerEpoch }));
    return super.alterPartition({ ...request, newIsr });
  }
}

/** Carries out a proposal on whatever the partition has become. */
class CredulousController extends ControllerModel {
  override alterPartition(request: AlterPartitionRequest): AlterPartitionAnswer {
    const state = this.image.partitions[request.partition];
    return super.alterPartition({ ...request, partitionEpoch: state?.partitionEpoch ?? request.partitionEpoch });
  }
}

/** Takes a page cache for a disk: keeps in ISR and ELR who lost it (P-2). */
class TrustingController extends ControllerModel {
  override register(broker: number, departureFor: (rules: PartitionRules) => Departure): number {
    return super.register(broker, (rules) => (departureFor(rules) === 'unclean' ? 'fenced' : departureFor(rules)));
  }
}

/** Does not notice another disk under a known broker id. */
class DirectoryBlindController extends ControllerModel {
  override register(broker: number, departureFor: (rules: PartitionRules) => Departure): number {
    return super.register(broker, (rules) => (departureFor(rules) === 'new-disk' ? 'fenced' : departureFor(rules)));
  }
}

/** Elects whoever lives, in sync or not, though nobody allowed it. */
class CarelessController extends ControllerModel {
  override unfence(broker: number, epoch: number): void {
    super.unfence(broker, epoch);
    this.image.partitions.forEach((_, partition) => this.electAnyone(partition));
  }
}

/** Brokers lose their page caches while proposals to take them in are on the way to the controller. */
const LATE_PROPOSALS: Partial<Plan> = {
  brokers: 3,
  partitions: [{ rules: { minInsyncReplicas: 1, durability: 'page-cache', uncleanElection: false }, replicas: [1, 2, 3] }],
  producers: [{ partition: 0, kind: { requiredAcks: -1, isIdempotent: true } }],
  thinkMs: 6,
  config: { replicaLagTimeMaxMs: 150, helloTimeoutMs: 150, helloBackoffMs: 20, alterPartitionRetryMs: 20 },
  controllerLink: { delayMaxMs: 80, loss: 0.2, lateness: 0.3 },
  faultIntervalsMs: new Map([
    ['power-loss', 400],
    ['cut', 400],
    ['controller-cut', 400],
    ['pause', 1_000],
  ]),
};

/** A broker that lost its page cache is registered and unfenced again before its leaders notice that its streams broke. */
const SLOW_TO_NOTICE: Partial<Plan> = {
  ...LATE_PROPOSALS,
  network: { delayMinMs: 0.1, delayMaxMs: 15, detectMaxMs: 400, lateness: 0.8 },
  metadataDelayMaxMs: 10,
  controllerLink: { delayMaxMs: 1, loss: 0, lateness: 0 },
  faultIntervalsMs: new Map([
    ['power-loss', 400],
    ['slow-disk', 400],
    ['clean-stop', 1_000],
  ]),
};

/** Leaders come and go, and write what only they have. */
const MANY_LEADERS: Partial<Plan> = {
  brokers: 3,
  partitions: [{ rules: { minInsyncReplicas: 1, durability: 'fsync', uncleanElection: false }, replicas: [1, 2, 3] }],
  producers: [
    { partition: 0, kind: { requiredAcks: 1, isIdempotent: false } },
    { partition: 0, kind: { requiredAcks: -1, isIdempotent: true } },
  ],
  thinkMs: 20,
  sessionTimeoutMs: 400,
  faultIntervalsMs: new Map([
    ['isolated-leader', 400],
    ['preferred-election', 400],
    ['pause', 1_000],
    ['cut', 1_000],
  ]),
};

/** What was sent on a stream that broke arrives when others lead. */
const LATE_MESSAGES: Partial<Plan> = {
  ...MANY_LEADERS,
  thinkMs: 6,
  network: { delayMinMs: 3, delayMaxMs: 18, detectMaxMs: 50, lateness: 0.8 },
  faultIntervalsMs: new Map([
    ['cut', 400],
    ['kill', 1_000],
    ['preferred-election', 400],
    ['isolated-leader', 1_000],
  ]),
};

/** Nobody is reached for as long as a session lasts, and nobody else takes over: the controller does not see it either. */
const CONTROLLER_AWAY: Partial<Plan> = {
  brokers: 2,
  partitions: [{ rules: { minInsyncReplicas: 1, durability: 'fsync', uncleanElection: false }, replicas: [1, 2] }],
  sessionTimeoutMs: 400,
  // Most heartbeats are heard, and most answers are not.
  controllerLink: { delayMaxMs: 10, loss: 0.6, lateness: 0 },
  faultIntervalsMs: new Map([['cut', 400]]),
};

const FULL_DISKS = {
  faultIntervalsMs: new Map([
    ['full-disk', 400],
    ['preferred-election', 400],
    ['clean-stop', 1_000],
  ] as const),
};

const HOST_BUGS: readonly PlantedBug[] = [
  { does: 'acknowledges before the follower wrote or synced (R-1, REPL-12)', host: { ack: hastyAck }, seedsMax: 20 },
  { does: 'forgets the producers (REPL-17)', host: { checksSequences: false }, seedsMax: 20 },
  {
    does: 'is deaf to a former leader for whose push there was no room (S-10)',
    host: { hearsFormerLeaders: false },
    plan: FULL_DISKS,
    seedsMax: 50,
  },
];

const CONTROLLER_BUGS: readonly PlantedBug[] = [
  {
    does: 'counts a follower with a stale broker epoch (KIP-903, REPL-8)',
    controller: ForgetfulController,
    patches: [
      {
        file: 'isr-keeper',
        find: 'return brokers.registeredEpochOf(id) === brokerEpoch && brokers.mayJoinIsr(id);',
        instead: 'return brokers.mayJoinIsr(id);',
      },
    ],
    plan: SLOW_TO_NOTICE,
    seedsMax: 500,
  },
  {
    does: 'carries out ISR proposals of an old partition epoch (REPL-5)',
    controller: CredulousController,
    plan: LATE_PROPOSALS,
    seedsMax: 1_000,
  },
  { does: 'keeps in the ISR who lost its page cache (P-2)', controller: TrustingController, seedsMax: 100 },
  { does: 'keeps in the ISR who has another disk (R-6)', controller: DirectoryBlindController, seedsMax: 100 },
  { does: 'elects outside of ISR and ELR (REPL-16)', controller: CarelessController, seedsMax: 100 },
];

const HIGH_WATERMARK_BUGS: readonly PlantedBug[] = [
  core('forgets the maximal ISR (REPL-2, REPL-5)', 200, [
    'isr-state',
    'this.maximal = added.length === 0 ? this.committed : [...this.committed, ...added];',
    '',
  ]),
  core('drops from the ISR before the controller said so (REPL-5)', 200, [
    'isr-state',
    'this.maximal = added.length === 0 ? this.committed : [...this.committed, ...added];',
    'this.maximal = effect.newIsr.map(({ nodeId }) => nodeId);',
  ]),
  core('moves the high watermark under min ISR (KIP-966, REPL-2)', 200, ['leader', 'if (this.isUnderMinIsr) return;', '']),
  core('takes acks=all under min ISR (REPL-4)', 500, [
    'leader',
    'return this.#isr.committed.length < effectiveMinIsr(this.context.metadata); }',
    'return false; }',
  ]),
  core('counts itself before its own disk has the batch (REPL-2)', 100, [
    'leader',
    'let least = context.ownStableEnd;',
    'let least = context.log.endOffset;',
  ]),
  core('takes what is written for durable (R-1)', 200, [
    'isr-keeper',
    "return this.context.metadata.durability === 'fsync' ? follower.durableEnd : follower.writtenEnd;",
    'return follower.writtenEnd;',
  ]),
  core('takes over the high watermark of the leader beyond its own log (REPL-3)', 100, [
    'follower',
    'const highWatermark = earlier(push.highWatermark, endOffset);',
    'const { highWatermark } = push;',
  ]),
];

const TRUNCATION_BUGS: readonly PlantedBug[] = [
  core('truncates to its high watermark (KIP-101, REPL-9)', 20, [
    'follower',
    'earlier(diverging.offset, context.log.endOffset)',
    'earlier(context.highWatermark, context.log.endOffset)',
  ]),
  core('does not compare the logs (REPL-9)', 20, [
    'leader',
    "if (agreement.kind !== 'agreed') return",
    "if (agreement.kind === 'start-at') return",
  ]),
  {
    ...core(
      'compares only where the last epoch ends at the leader (before KIP-279)',
      500,
      [
        'divergence',
        'const common = newestCommonEpoch(leader.epochs, epochs);',
        'const common = leader.epochs.findLast(({ epoch }) => epoch <= (epochs[epochs.length - 1]?.epoch ?? 0))?.epoch;',
      ],
      ['divergence', 'const theirs = endOfEpoch(follower, epoch);', 'const theirs = follower.endOffset;'],
      ['divergence', 'earlier(inCommon, begunInVain ?? inCommon)', 'inCommon'],
    ),
    plan: MANY_LEADERS,
  },
  core('keeps an epoch that it led in vain (REPL-9)', 500, [
    'divergence',
    'return isLedInVain || hasMoved ?',
    'return hasMoved ?',
  ]),
  core('keeps an epoch that moved to where the page cache was lost (REPL-9)', 500, [
    'divergence',
    'return isLedInVain || hasMoved ?',
    'return isLedInVain ?',
  ]),
  {
    ...core('takes pushes of another session and epoch (REPL-10)', 500, [
      'follower',
      'from === this.leader && leaderEpoch === this.epoch && brokerEpoch === this.context.brokerEpoch && sessionId === this.#sessionId',
      'from === this.leader && leaderEpoch + brokerEpoch + sessionId > 0',
    ]),
    plan: LATE_MESSAGES,
  },
  core('does not look where a push continues (REPL-11)', 500, [
    'follower',
    'if (!this.#continues(push)) return this.#greet();',
    '',
  ]),
];

const SESSION_BUGS: readonly PlantedBug[] = [
  core(
    'counts what an earlier incarnation had (REPL-12)',
    1_000,
    ['follower-progress', 'earlier(this.writtenEnd, writtenEndOffset) : UNKNOWN_END', 'this.writtenEnd : this.writtenEnd'],
    ['follower-progress', 'earlier(this.durableEnd, durableEndOffset) : UNKNOWN_END', 'this.durableEnd : this.durableEnd'],
  ),
  core('takes a follower in that has not what was there when the epoch began (R-4, REPL-6)', 1_000, [
    'isr-keeper',
    'return end >= this.context.highWatermark && end >= this.epochStartOffset && this.#isEligible(follower);',
    'return end >= this.context.highWatermark && this.#isEligible(follower);',
  ]),
  core('takes a follower in that is not at the high watermark (R-4, REPL-6)', 100, [
    'isr-keeper',
    'return end >= this.context.highWatermark && end >= this.epochStartOffset && this.#isEligible(follower);',
    'return end >= this.epochStartOffset && this.#isEligible(follower);',
  ]),
  {
    ...core('gives up a proposal that may still be carried out (REPL-5)', 500, [
      'isr-keeper',
      'if (proposal.isUncertain) this.#withdraw(); else this.#state.rollBack();',
      'this.#state.rollBack();',
    ]),
    plan: LATE_PROPOSALS,
  },
  core('leads an epoch from before its registration (R-5, REPL-1)', 1_000, [
    'replica',
    'if (leader === context.self && this.#isRegistered) this.#lead(metadata);',
    'if (leader === context.self) this.#lead(metadata);',
  ]),
  {
    ...core('serves on when its session is over (REPL-20)', 100, [
      'replica',
      'if (!this.#context.brokers.isSessionLapsed) return false;',
      'return false;',
    ]),
    plan: MANY_LEADERS,
  },
  {
    ...core('does not serve again when its session is back (REPL-20)', 100, [
      'replica',
      "else this.#context.emit({ kind: 'resume', leaderEpoch: leader.epoch });",
      'else this.#isSuspended = true;',
    ]),
    plan: CONTROLLER_AWAY,
  },
  core('never lets a laggard leave the ISR (REPL-7)', 50, ['isr-keeper', 'if (lagging.length === 0) return;', 'return;']),
  core('forgets to say hello after a refusal (REPL-10)', 200, [
    'follower',
    'this.#deadlineMs = this.context.nowMs + this.context.config.helloBackoffMs;',
    'this.#deadlineMs = Infinity;',
  ]),
];

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...HOST_BUGS,
  ...CONTROLLER_BUGS,
  ...HIGH_WATERMARK_BUGS,
  ...TRUNCATION_BUGS,
  ...SESSION_BUGS,
];
