import type { FormationInit, Invitation, SeedAnswer } from '@streamline/core/formation/formation';
import { mayBootstrap, nextFormationStep } from '@streamline/core/formation/formation';
import type { RaftTiming } from '@streamline/core/formation/timing';
import { OUR_FEATURES } from '@streamline/core/metadata/features';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type { JoinResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import {
  Formation as FormationState,
  JoinOutcome,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { backOff } from '../time/back-off';
import type { PeerPorts } from './peer-ports';

/** How long a seed may take to say what it is. */
const DESCRIBE_MS = 1_000;
/** How long a member may take to let this node in: it may have to find out whether another one has its id. */
const JOIN_MS = 5_000;
/** Between two rounds of questions, from the first to the longest. */
const ROUND_MS_MIN = 50;
const ROUND_MS_MAX = 1_000;
/** A wait that goes on is told again after so long. */
const TELL_AGAIN_MS = 30_000;

/** What a node without data has become part of. */
export type Formed =
  | { readonly kind: 'bootstrap' }
  | {
      readonly kind: 'joined';
      readonly clusterId: ClusterId;
      readonly clusterEpoch: number;
      readonly addresses: readonly string[];
    };

/** The node must not go on as it was started. */
export class FormationRefusedError extends Error {
  override readonly name = 'FormationRefusedError';

  constructor(
    problem: string,
    readonly remedy: string,
  ) {
    super(problem);
  }
}

/** The node was stopped before it was part of a cluster. */
export class FormationStoppedError extends Error {
  override readonly name = 'FormationStoppedError';
}

export interface FormationOptions {
  readonly init: FormationInit;
  readonly clock: Clock;
  readonly random: Random;
  readonly peers: PeerPorts;
  /** Its settings of Raft, of which the cluster makes sure that they fit its own. */
  readonly timing: RaftTiming;
  /** A node that waits says for what: each time that changes, and now and then. */
  readonly onWaiting: (note: string) => void;
}

/** Asks the seeds until the core has decided what this node without data becomes, and has it let in where it joins. */
export class Formation {
  readonly #answers = new Map<string, SeedAnswer>();
  #invitation: Invitation | undefined;
  #note = '';
  #toldMs = -Infinity;
  #wake: () => void = () => undefined;

  constructor(private readonly options: FormationOptions) {}

  /** What the node waits for, in words for an operator. */
  get note(): string {
    return this.#note;
  }

  get mayBootstrap(): boolean {
    return mayBootstrap(this.options.init, this.#answers);
  }

  /** Somebody wants this node in his cluster. Returns why not, if so. */
  invite(invitation: Invitation): string | undefined {
    if (this.#invitation !== undefined && this.#invitation.clusterId !== invitation.clusterId) {
      return `it has been invited to cluster ${this.#invitation.clusterId} already`;
    }
    this.#invitation = invitation;
    this.#wake();
    return undefined;
  }

  /** Fails with FormationRefusedError, or FormationStoppedError once the signal aborts. */
  async run(signal: AbortSignal): Promise<Formed> {
    const { init, clock, random } = this.options;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    for (let round = 0; ; round++) {
      if (signal.aborted) throw new FormationStoppedError('This node was stopped before it was part of a cluster.');
      if (round > 0 || init.seeds.length > 0) await this.#askSeeds(signal);
      const step = nextFormationStep(init, this.#answers, this.#invitation);
      if (step.kind === 'bootstrap') return step;
      if (step.kind === 'refuse') throw new FormationRefusedError(step.problem, step.remedy);
      if (step.kind === 'wait') this.#tell(step.note);
      else {
        const joined = await this.#join(step, signal);
        if (joined !== undefined) return { ...step, kind: 'joined', clusterEpoch: joined.clusterEpoch };
      }
      await this.#pause(backOff({ attempt: round, minMs: ROUND_MS_MIN, maxMs: ROUND_MS_MAX, random }));
      if (clock.monotonicMs() - this.#toldMs > TELL_AGAIN_MS) this.#toldMs = -Infinity;
    }
  }

  async #askSeeds(signal: AbortSignal): Promise<void> {
    const { init, peers } = this.options;
    const request = { fromNodeId: init.nodeId, fromDirectoryId: init.directoryId, fromClusterId: '' };
    const ask = async (seed: string): Promise<void> => {
      try {
        const node = await peers.askMembership(seed, (port) => port.describeNode(request, { deadlineMs: DESCRIBE_MS, signal }));
        const clusterId = node.clusterId === '' ? undefined : (node.clusterId as ClusterId);
        const [nodeId, directoryId] = [node.nodeId as NodeId, node.directoryId as DirectoryId];
        const isMember = node.formation === FormationState.MEMBER;
        this.#answers.set(seed, { kind: 'described', node: { ...node, nodeId, directoryId, isMember, clusterId } });
      } catch (error) {
        this.#answers.set(seed, { kind: 'silent', reason: error instanceof Error ? error.message : String(error) });
      }
    };
    await Promise.all(init.seeds.map(ask));
  }

  /** The answer of a leader that has taken this node in. */
  async #join(
    step: { readonly addresses: readonly string[]; readonly promoteToVoter: boolean },
    signal: AbortSignal,
  ): Promise<JoinResponse | undefined> {
    for (const address of step.addresses) {
      const answer = await this.#askToJoin(address, step.promoteToVoter, signal);
      if (typeof answer === 'string') {
        this.#tell(`waiting to be let in by ${address}: ${answer}`);
        continue;
      }
      if (answer.outcome === JoinOutcome.REFUSED) {
        throw new FormationRefusedError(
          `the cluster does not let this node in: ${answer.reason}`,
          'See what it says; a node that was removed, or whose disk was lost, joins again with an empty --data-dir.',
        );
      }
      if (answer.outcome === JoinOutcome.LEARNER || answer.outcome === JoinOutcome.VOTER) return answer;
      this.#tell(`waiting to be let in by ${address}: ${answer.reason}`);
    }
    return undefined;
  }

  async #askToJoin(address: string, promoteToVoter: boolean, signal: AbortSignal): Promise<JoinResponse | string> {
    const { init, timing } = this.options;
    const { nodeId, directoryId, ownAddress, incarnationId } = init;
    const request = {
      nodeId,
      directoryId,
      address: ownAddress,
      clusterId: '',
      promoteToVoter,
      features: [...OUR_FEATURES],
      incarnationId,
      timing,
    };
    try {
      return await this.options.peers.askMembership(address, (port) => port.join(request, { deadlineMs: JOIN_MS, signal }));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #tell(note: string): void {
    const nowMs = this.options.clock.monotonicMs();
    const isNew = note !== this.#note;
    this.#note = note;
    if (!isNew && nowMs - this.#toldMs < TELL_AGAIN_MS) return;
    this.#toldMs = nowMs;
    this.options.onWaiting(note);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.clock.schedule(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
