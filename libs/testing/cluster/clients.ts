import { ErrorCode } from '@streamline/core/types/error-code';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { CommandError } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ConfigOperation } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { ClusterMachine } from './cluster-machine';
import type { ClusterProcess, ProcessSurroundings } from './cluster-process';
import type { CommandCopies } from './command-copies';
import type { AcknowledgedStays } from './invariants/acknowledged-stays';
import type { ExactlyOnce } from './invariants/exactly-once';

const DEADLINES_MS = [500, 2_000, 8_000] as const;
/** A client that hears nothing for so much longer takes its connection for broken. */
const PATIENCE_MS = 500;
const RETRY_MS = 200;
const TOPICS_MAX = 5;
const PARTITIONS_MAX = 6;
const CONFIG_BASE = 3_600_000;

export interface ClientSurroundings {
  readonly all: ProcessSurroundings;
  readonly machines: readonly ClusterMachine[];
  readonly copies: CommandCopies;
  readonly exactlyOnce: ExactlyOnce;
  readonly acknowledgedStays: AcknowledgedStays;
}

interface Topic {
  readonly name: string;
  partitions: number;
  config: number;
}

/** What came of one try; `unknown`: it may have taken effect, or may yet. */
type Outcome =
  | { readonly kind: 'done'; readonly index: number; readonly error?: undefined; readonly topicId?: string }
  | { readonly kind: 'refused'; readonly code: number; readonly message: string }
  | { readonly kind: 'unknown' };

/** One command, that is sent until its fate is known. */
interface Command {
  readonly method: keyof ControllerPort;
  readonly name: string;
  readonly request: object;
  readonly send: (port: ControllerPort, deadlineMs: number) => Promise<Outcome>;
  readonly done: (outcome: Extract<Outcome, { kind: 'done' }>) => void;
  /** True where the refusal is an answer that was to be expected. */
  readonly refused: (code: number) => boolean;
}

/** Creates, changes and deletes topics of its own through any node, and sends again what it has no answer to. */
export class Client {
  completed = 0;
  #isStopped = false;
  #serial = 0;
  readonly #topics: Topic[] = [];

  constructor(
    private readonly name: string,
    private readonly thinkMs: number,
    private readonly random: SeededRandom,
    private readonly around: ClientSurroundings,
    /** Sends to this machine alone. */
    private readonly pinnedTo?: ClusterMachine,
  ) {}

  start(): void {
    this.#isStopped = false;
    this.#next();
  }

  /** Nothing new is begun. */
  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    if (this.#isStopped) return;
    this.around.all.events.after(this.random.next() * 2 * this.thinkMs, () => {
      const command = this.#draw();
      if (command === undefined) return this.#next();
      this.around.all.counters.commands += 1;
      this.#attempt(command, 0);
    });
  }

  #draw(): Command | undefined {
    const { random } = this;
    if (this.#topics.length === 0 || (this.#topics.length < TOPICS_MAX && random.chance(0.4))) return this.#create();
    const topic = random.pick(this.#topics);
    // What was asked before may still come to pass: nothing is asked of the same topic meanwhile.
    if (this.around.copies.of(topic.name) > 0) return undefined;
    return random.pick([
      () => this.#delete(topic),
      () => this.#configure(topic),
      () => this.#configure(topic),
      () => (topic.partitions < PARTITIONS_MAX ? this.#grow(topic) : this.#configure(topic)),
      () => this.#producerIds(),
    ])();
  }

  #create(): Command {
    this.#serial += 1;
    const name = `${this.name}-${this.#serial}`;
    const partitions = this.random.integer(1, 3);
    const topic = { name, partitions, replicationFactor: this.random.integer(1, 3), assignments: [], configs: [] };
    const request = { topics: [topic], validateOnly: false, timeoutMs: 0 };
    return {
      method: 'createTopics',
      name,
      request,
      send: async (port, deadlineMs) => {
        const { topics, metadataIndex } = await port.createTopics(request, { deadlineMs });
        const [created] = topics;
        const outcome = outcomeOf(created?.error, metadataIndex);
        return outcome.kind === 'done' ? { ...outcome, topicId: created?.topicId ?? '' } : outcome;
      },
      done: ({ index, topicId = '' }) => {
        this.around.all.counters.topicsCreated += 1;
        this.#topics.push({ name, partitions, config: CONFIG_BASE });
        this.around.all.metadata.acknowledged({ kind: 'created', name, topicId, index });
      },
      refused: (code) => {
        if (code === ErrorCode.INVALID_REPLICATION_FACTOR) return true;
        if (code !== ErrorCode.TOPIC_ALREADY_EXISTS) return false;
        if (!this.around.exactlyOnce.wasCreated(name))
          throw new Violation('exactly-once', `topic ${name} is told to exist, and nobody created it`);
        this.around.all.counters.foundOwnEffect += 1;
        this.#topics.push({ name, partitions, config: CONFIG_BASE });
        return true;
      },
    };
  }

  #delete(topic: Topic): Command {
    const { name } = topic;
    const request = { topics: [{ name }], timeoutMs: 0 };
    this.#topics.splice(this.#topics.indexOf(topic), 1);
    this.around.acknowledgedStays.deleting(name);
    return {
      method: 'deleteTopics',
      name,
      request,
      send: async (port, deadlineMs) => {
        const { topics, metadataIndex } = await port.deleteTopics(request, { deadlineMs });
        return outcomeOf(topics[0]?.error, metadataIndex);
      },
      done: ({ index }) => {
        this.around.all.counters.topicsDeleted += 1;
        this.around.all.metadata.acknowledged({ kind: 'deleted', name, index });
      },
      refused: (code) => code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    };
  }

  #grow(topic: Topic): Command {
    const { name } = topic;
    const count = topic.partitions + 1;
    const request = {
      topics: [{ name, partitions: count, assignments: [], hasAssignments: false }],
      validateOnly: false,
      timeoutMs: 0,
    };
    return {
      method: 'createPartitions',
      name,
      request,
      send: async (port, deadlineMs) => {
        const { topics, metadataIndex } = await port.createPartitions(request, { deadlineMs });
        return outcomeOf(topics[0]?.error, metadataIndex);
      },
      done: ({ index }) => {
        topic.partitions = count;
        this.around.all.counters.partitionsAdded += 1;
        this.around.all.metadata.acknowledged({ kind: 'partitions', name, count, index });
      },
      // It has them already: of an earlier try.
      refused: (code) => {
        if (code === ErrorCode.INVALID_PARTITIONS) topic.partitions = count;
        return code === ErrorCode.INVALID_PARTITIONS || code === ErrorCode.INVALID_REPLICATION_FACTOR;
      },
    };
  }

  #configure(topic: Topic): Command {
    const { name } = topic;
    const value = (topic.config += 1);
    const changes = [{ name: 'retention.ms', value: String(value), operation: ConfigOperation.SET }];
    const request = { resources: [{ resourceType: 2, resourceName: name, changes, replaceAll: false }], validateOnly: false };
    return {
      method: 'alterConfigs',
      name,
      request,
      send: async (port, deadlineMs) => {
        const { resources, metadataIndex } = await port.alterConfigs(request, { deadlineMs });
        return outcomeOf(resources[0]?.error, metadataIndex);
      },
      done: ({ index }) => {
        this.around.all.counters.configChanges += 1;
        this.around.all.metadata.acknowledged({ kind: 'config', name, value, index });
      },
      refused: () => false,
    };
  }

  #producerIds(): Command | undefined {
    const asker = this.#machine()?.process;
    if (asker?.broker === undefined || asker.broker.epoch < 0) return undefined;
    const request = { brokerId: asker.nodeId, brokerEpoch: asker.broker.epoch };
    return {
      method: 'allocateProducerIds',
      name: '',
      request,
      send: async (port, deadlineMs) => {
        const { error, firstProducerId: first, count } = await port.allocateProducerIds(request, { deadlineMs });
        const outcome = outcomeOf(error, 0);
        if (outcome.kind === 'done') this.around.all.metadata.acknowledged({ kind: 'producer-ids', first, count });
        return outcome;
      },
      done: () => {
        this.around.all.counters.producerIdBlocks += 1;
      },
      refused: (code) => code === ErrorCode.STALE_BROKER_EPOCH || code === ErrorCode.BROKER_ID_NOT_REGISTERED,
    };
  }

  #attempt(command: Command, attempt: number): void {
    const process = this.#machine()?.process;
    if (process === undefined) return this.#again(command, attempt);
    const { all, copies } = this.around;
    if (attempt > 0) all.counters.retries += 1;
    const deadlineMs = this.random.pick(DEADLINES_MS);
    const copy = copies.begin(command.method, command.request);
    let isOver = false;
    const settle = (outcome: Outcome): void => {
      if (isOver) return;
      isOver = true;
      patience.isCancelled = true;
      try {
        this.#settled(process, command, attempt, outcome);
      } catch (error) {
        all.broken(error);
      }
    };
    const patience = all.events.after(deadlineMs * 1.2 + PATIENCE_MS, () => {
      // Nothing goes on in a process that is gone.
      if (process.hasEnded) copy.end();
      settle({ kind: 'unknown' });
    });
    process.unlessHeld(() => {
      command.send(process.member.controller, deadlineMs).then(
        (outcome) => {
          copy.end();
          if (!process.hasEnded) settle(outcome);
        },
        (error: unknown) => {
          copy.end();
          if (process.hasEnded) return;
          if (error instanceof all.code.PortError || isDiskFault(error)) settle({ kind: 'unknown' });
          else
            all.broken(
              error instanceof Violation ? error : new Violation('ports', `${command.method} fails with ${String(error)}`),
            );
        },
      );
    });
  }

  #settled(process: ClusterProcess, command: Command, attempt: number, outcome: Outcome): void {
    const { counters } = this.around.all;
    if (outcome.kind === 'done') {
      counters.commandsAcknowledged += 1;
      this.completed += 1;
      command.done(outcome);
      return this.#next();
    }
    if (outcome.kind === 'unknown') {
      counters.commandsUnknown += 1;
      return this.#again(command, attempt);
    }
    if (outcome.code === ErrorCode.REQUEST_TIMED_OUT) return this.#again(command, attempt);
    process.tell(`refuses ${command.method} ${command.name}: ${outcome.code} ${outcome.message}`);
    counters.commandsRefused += 1;
    if (command.refused(outcome.code)) return this.#next();
    // A leader that does not know yet that it leads no longer answers from what was: another try has to tell the truth.
    this.#again(command, attempt);
  }

  #again(command: Command, attempt: number): void {
    if (this.#isStopped && this.pinnedTo === undefined) return;
    this.around.all.events.after(this.random.next() * RETRY_MS * Math.min(1 + attempt, 10), () =>
      this.#attempt(command, attempt + 1),
    );
  }

  #machine(): ClusterMachine | undefined {
    if (this.pinnedTo !== undefined) return this.pinnedTo;
    const up = this.around.machines.filter(({ process }) => process?.opened !== undefined);
    return up.length === 0 ? undefined : this.random.pick(up);
  }
}

function outcomeOf(error: CommandError | undefined, index: number): Outcome {
  const code = error?.errorCode ?? ErrorCode.NONE;
  if (code === ErrorCode.NONE) return { kind: 'done', index };
  return { kind: 'refused', code, message: error?.errorMessage ?? '' };
}
