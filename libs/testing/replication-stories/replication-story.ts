import { whyNotRead, whyNotServed } from '@streamline/core/replication/client-rules';
import { DEFAULT_REPLICATION_CONFIG } from '@streamline/core/replication/config';
import type { AlterPartitionEffect, ReplicaEffect } from '@streamline/core/replication/effects';
import { PartitionReplica } from '@streamline/core/replication/replica';
import type { BrokerFacts, Durability } from '@streamline/core/replication/types';
import { errorName } from '@streamline/core/types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import { ControllerModel } from '@streamline/testing/replication/controller-model';
import type { PartitionState } from '@streamline/testing/replication/controller-model';
import { ModelLog } from '@streamline/testing/replication/model-log';
import { ReplicaHost } from '@streamline/testing/replication/replica-host';
import type { ReplicaMessage } from '@streamline/testing/replication/replica-host';

interface StoryBroker {
  readonly id: number;
  log: ModelLog;
  host: ReplicaHost | undefined;
  isDown: boolean;
  epoch: number;
  /** The partition as this broker heard of it. */
  heard: number;
}

interface Letter {
  readonly from: number;
  readonly to: number;
  readonly message: ReplicaMessage;
}

/** Runs the commands of a transcript (libs/core/replication/transcripts/README.md) against real replicas of one partition. */
export class ReplicationStory {
  #controller: ControllerModel | undefined;
  #brokers: StoryBroker[] = [];
  #letters: Letter[] = [];
  #proposals: { readonly broker: StoryBroker; readonly effect: AlterPartitionEffect }[] = [];
  #nowMs = 0;
  #durability: Durability = 'fsync';
  readonly #cuts = new Set<string>();
  readonly #heldDisks = new Set<number>();
  /** Brokers that hear nothing of the controller, and the controller nothing of them. */
  readonly #unheard = new Set<number>();
  #lines: string[] = [];

  run(line: string): readonly string[] {
    this.#lines = [];
    const [name = '', ...words] = line.trim().split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) return [`no such command: ${name}`];
    command(words);
    this.#untilQuiet();
    return this.#lines;
  }

  readonly #commands: Readonly<Record<string, (words: readonly string[]) => void>> = {
    partition: (words) => this.#begin(words),
    crash: ([id, how]) => this.#crash(this.#broker(id), how === 'power' ? 'power' : 'kill'),
    start: ([id, how]) => this.#start(this.#broker(id), how === 'unclean'),
    fence: ([id]) => this.#control.fence(Number(id)),
    stop: ([id]) => this.#control.shutDown(Number(id), this.#broker(id).epoch),
    prefer: () => this.#control.electPreferred(0),
    reassign: (words) => this.#control.reassign(0, words.map(Number)),
    produce: (words) => this.#produce(words),
    tick: ([ms]) => this.#tick(Number(ms)),
    cut: (words) => words.forEach((word) => this.#cut(word, true)),
    heal: (words) => words.forEach((word) => this.#cut(word, false)),
    unheard: (words) => words.forEach((word) => this.#unheard.add(Number(word))),
    heard: (words) => words.forEach((word) => this.#unheard.delete(Number(word))),
    hold: (words) => words.forEach((word) => this.#heldDisks.add(Number(word))),
    release: (words) => words.forEach((word) => this.#heldDisks.delete(Number(word))),
    delete: ([id, offset]) => {
      const { host, log } = this.#broker(id);
      log.raiseStart(Number(offset));
      host?.step({ kind: 'log-changed' });
    },
    logs: () => this.#brokers.forEach((broker) => this.#lines.push(describeLog(broker))),
    state: () => this.#lines.push(describeState(this.#state)),
    serve: ([id, epoch]) => {
      const core = this.#broker(id).host?.core;
      if (core === undefined) return;
      const asked = Number(epoch ?? -1);
      const answers = [`leader's: ${errorName(whyNotServed(core, asked))}`, `fetch: ${errorName(whyNotRead(core, asked))}`];
      this.#lines.push(`${id} answers ${answers.join(', ')}${core.isHighWatermarkCertain ? ', offsets are certain' : ''}`);
    },
  };

  get #control(): ControllerModel {
    if (this.#controller === undefined) throw new Error('no partition yet');
    return this.#controller;
  }

  get #state(): PartitionState {
    const [state] = this.#control.image.partitions;
    if (state === undefined) throw new Error('no partition');
    return state;
  }

  /** `partition 1 2 3 [min=2] [durability=page-cache] [brokers=4]` */
  #begin(words: readonly string[]): void {
    const setting = (name: string): string | undefined => words.find((word) => word.startsWith(`${name}=`))?.split('=')[1];
    const replicas = words.filter((word) => !word.includes('=')).map(Number);
    this.#durability = setting('durability') === 'page-cache' ? 'page-cache' : 'fsync';
    const rules = { minInsyncReplicas: Number(setting('min') ?? 1), durability: this.#durability, uncleanElection: false };
    this.#controller = new ControllerModel([rules], [replicas], {
      changed: (_, __, after) => this.#lines.push(`controller: ${describeState(after)}`),
      possibleLoss: () => this.#lines.push('controller: acknowledged records may be lost'),
    });
    const count = Number(setting('brokers') ?? replicas.length);
    this.#brokers = Array.from({ length: count }, (_, at) => ({
      id: at + 1,
      log: new ModelLog(),
      host: undefined,
      isDown: true,
      epoch: -1,
      heard: -1,
    }));
    for (const broker of this.#brokers) this.#register(broker, false);
  }

  #broker(word: string | undefined): StoryBroker {
    const broker = this.#brokers[Number(word) - 1];
    if (broker === undefined) throw new Error(`no broker: ${word ?? ''}`);
    return broker;
  }

  #crash(broker: StoryBroker, how: 'kill' | 'power'): void {
    const { writtenOperations, durableOperations } = broker.log;
    broker.log = broker.log.recovered(how === 'kill' ? writtenOperations : durableOperations, how, this.#durability);
    broker.host = undefined;
    broker.isDown = true;
    this.#letters = this.#letters.filter(({ from, to }) => from !== broker.id && to !== broker.id);
    for (const other of this.#brokers) other.host?.step({ kind: 'peer-disconnected', peer: broker.id as NodeId });
  }

  #start(broker: StoryBroker, isUnclean: boolean): void {
    this.#register(broker, isUnclean);
  }

  #register(broker: StoryBroker, isUnclean: boolean): void {
    broker.log.sync();
    broker.host = undefined;
    broker.isDown = false;
    broker.epoch = this.#control.register(broker.id, () => (isUnclean ? 'unclean' : 'fenced'));
    broker.heard = -1;
    this.#control.unfence(broker.id, broker.epoch);
    for (const other of this.#brokers) this.#connect(broker, other);
  }

  #connect(a: StoryBroker, b: StoryBroker): void {
    if (a === b || this.#cuts.has(`${a.id}>${b.id}`) || this.#cuts.has(`${b.id}>${a.id}`)) return;
    if (a.host === undefined || b.host === undefined) return;
    a.host.step({ kind: 'peer-connected', peer: b.id as NodeId });
    b.host.step({ kind: 'peer-connected', peer: a.id as NodeId });
  }

  /** `1-2` cuts both ways, `1>2` one: the stream between them ends. */
  #cut(word: string, isCut: boolean): void {
    const [left = '', right = ''] = word.split(/[->]/);
    const ways = word.includes('-') ? [`${left}>${right}`, `${right}>${left}`] : [`${left}>${right}`];
    for (const way of ways) if (isCut) this.#cuts.add(way);
    if (!isCut) for (const way of ways) this.#cuts.delete(way);
    const [a, b] = [this.#broker(left), this.#broker(right)];
    if (!isCut) return this.#connect(a, b);
    a.host?.step({ kind: 'peer-disconnected', peer: b.id as NodeId });
    b.host?.step({ kind: 'peer-disconnected', peer: a.id as NodeId });
  }

  /** `produce 1 NAME acks=all`: one record, at the broker. A name that was sent before is sent again. */
  #produce([id, name = '', acks = 'acks=all']: readonly string[]): void {
    const requiredAcks = acks === 'acks=all' ? -1 : Number(acks.slice('acks='.length));
    const batchId = this.#idOf(name);
    const batch = { id: batchId, records: 1, producerId: batchId, baseSequence: 0 };
    this.#broker(id).host?.append(batch, requiredAcks, ({ errorCode, baseOffset }) => {
      const outcome = errorCode === 0 ? `acknowledged at ${baseOffset}` : `refused: ${errorName(errorCode)}`;
      this.#lines.push(`${name} (${acks}) ${outcome}`);
    });
  }

  readonly #names: string[] = [];

  #idOf(name: string): number {
    if (!this.#names.includes(name)) this.#names.push(name);
    return this.#names.indexOf(name) + 1;
  }

  #tick(ms: number): void {
    this.#nowMs += ms;
    for (const { host } of this.#brokers) host?.step({ kind: 'tick' });
  }

  /** The controller is heard, disks write, messages travel, until nothing moves. */
  #untilQuiet(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = this.#hearController();
      for (const broker of this.#brokers) isBusy = this.#sync(broker) || isBusy;
      const letter = this.#letters.shift();
      if (letter !== undefined) {
        isBusy = true;
        this.#deliver(letter);
      }
      isBusy = this.#answerProposal() || isBusy;
    }
  }

  #hearController(): boolean {
    if (this.#controller === undefined) return false;
    const { version } = this.#control.image;
    let isBusy = false;
    for (const broker of this.#brokers) {
      if (broker.isDown || broker.heard === version || this.#unheard.has(broker.id)) continue;
      isBusy = true;
      broker.heard = version;
      this.#learn(broker);
    }
    return isBusy;
  }

  #learn(broker: StoryBroker): void {
    const state = this.#state;
    if (!state.replicas.includes(broker.id)) {
      if (broker.host !== undefined) this.#lines.push(`${broker.id} drops the partition`);
      broker.host = undefined;
      broker.log = new ModelLog();
      return;
    }
    if (broker.host === undefined) {
      broker.host = this.#host(broker);
      for (const other of this.#brokers) this.#connect(broker, other);
    }
    broker.host.step({
      kind: 'metadata',
      metadata: {
        leader: state.leader as NodeId | undefined,
        leaderEpoch: state.leaderEpoch as LeaderEpoch,
        partitionEpoch: state.partitionEpoch,
        replicas: state.replicas as readonly NodeId[],
        addingReplicas: state.adding as readonly NodeId[],
        failedReplicas: [],
        isr: state.isr as readonly NodeId[],
        elr: state.elr as readonly NodeId[],
        minInsyncReplicas: this.#control.rules[0]?.minInsyncReplicas ?? 1,
        durability: this.#durability,
      },
    });
    broker.host.step({ kind: 'brokers-changed' });
  }

  #host(broker: StoryBroker): ReplicaHost {
    const { log } = broker;
    // What a broker knows of others is as old as what it heard last; in stories that is told apart by `unheard` only.
    const brokers: BrokerFacts = {
      isSessionLapsed: false,
      registeredEpochOf: (node) => this.#control.image.brokers.get(node)?.epoch as BrokerEpoch | undefined,
      mayJoinIsr: (node) => {
        const known = this.#control.image.brokers.get(node);
        return known !== undefined && !known.fenced && !known.shuttingDown;
      },
    };
    const init = { self: broker.id as NodeId, brokerEpoch: broker.epoch as BrokerEpoch, highWatermark: 0 as Offset };
    const core = new PartitionReplica(init, DEFAULT_REPLICATION_CONFIG, { log, brokers });
    const host: ReplicaHost = new ReplicaHost(0, core, log, {
      brokers,
      nowMs: () => this.#nowMs,
      send: (to, message) => this.#letters.push({ from: broker.id, to, message }),
      pushDue: (to, pushClass) => this.#letters.push({ from: broker.id, to, message: pushMark(pushClass === 'announce') }),
      ackDue: (to) => {
        const ack = host.ack();
        if (ack !== undefined) this.#letters.push({ from: broker.id, to, message: { kind: 'ack', ack } });
      },
      propose: (effect) => this.#proposals.push({ broker, effect }),
      touched: () => undefined,
      hasSpaceFor: () => true,
      isConnected: () => true,
      after: () => undefined,
      seen: (effect) => this.#tell(broker, effect),
      acknowledged: () => undefined,
    });
    return host;
  }

  /** A disk that is held takes writes to its page cache, but syncs nothing. */
  #sync({ id, host, log }: StoryBroker): boolean {
    const isHeld = this.#heldDisks.has(id);
    if (isHeld && this.#durability === 'fsync') return false;
    const isDone = (isHeld ? log.writtenOperations : log.durableOperations) === log.operationCount;
    if (host === undefined || isDone) return false;
    if (isHeld) log.writtenOperations = log.operationCount;
    else log.sync();
    host.logProgressed();
    return true;
  }

  #deliver({ from, to, message }: Letter): void {
    const sender = this.#broker(String(from)).host;
    if (isPushMark(message)) {
      sender?.push(to as NodeId, 100, message.isAnnouncement);
      return;
    }
    if (this.#cuts.has(`${from}>${to}`) || sender === undefined) return;
    this.#broker(String(to)).host?.receive(from as NodeId, message);
  }

  #answerProposal(): boolean {
    const at = this.#proposals.findIndex(({ broker }) => !this.#unheard.has(broker.id));
    const [proposal] = at < 0 ? [] : this.#proposals.splice(at, 1);
    if (proposal === undefined) return false;
    const { broker, effect } = proposal;
    const { proposalId, leaderEpoch, partitionEpoch, newIsr } = effect;
    const answer = this.#control.alterPartition({
      partition: 0,
      broker: broker.id,
      brokerEpoch: broker.epoch,
      leaderEpoch,
      partitionEpoch,
      newIsr,
    });
    if (answer.errorCode !== undefined) {
      this.#lines.push(`controller refuses: ${errorName(answer.errorCode)}`);
      broker.host?.step({ kind: 'alter-partition', proposalId, outcome: { kind: 'refused', errorCode: answer.errorCode } });
      return true;
    }
    const { isr, leaderEpoch: epoch, partitionEpoch: version } = answer.state;
    const outcome = { isr: isr as readonly NodeId[], leaderEpoch: epoch as LeaderEpoch, partitionEpoch: version };
    broker.host?.step({ kind: 'alter-partition', proposalId, outcome: { kind: 'committed', ...outcome } });
    return true;
  }

  #tell({ id }: StoryBroker, effect: ReplicaEffect): void {
    const line = describeEffect(effect);
    if (line !== undefined) this.#lines.push(`${id} ${line}`);
  }
}

/** There is room for a push at once: what it holds is read when it leaves. */
interface PushMark {
  readonly kind: 'push';
  readonly isAnnouncement: boolean;
}

function pushMark(isAnnouncement: boolean): ReplicaMessage {
  return { kind: 'push', isAnnouncement } as unknown as ReplicaMessage;
}

function isPushMark(message: object): message is PushMark {
  return 'isAnnouncement' in message;
}

function describeState({ leader, leaderEpoch, isr, elr, replicas, adding, removing }: PartitionState): string {
  const moving =
    adding.length + removing.length === 0
      ? ''
      : `, replicas [${replicas.join(' ')}] +[${adding.join(' ')}] -[${removing.join(' ')}]`;
  return `leader ${leader ?? 'nobody'} epoch ${leaderEpoch}, ISR [${isr.join(' ')}], ELR [${elr.join(' ')}]${moving}`;
}

function describeLog({ id, log, host }: StoryBroker): string {
  const batches = log.batches.map(({ baseOffset, epoch, id: name }) => `${baseOffset}/${epoch}:m${name}`);
  const role = host === undefined ? 'is down' : `${host.core.role}, high watermark ${host.core.highWatermark}`;
  return `${id} ${role}: ${batches.join(' ') || 'empty'}`;
}

function describeEffect(effect: ReplicaEffect): string | undefined {
  switch (effect.kind) {
    case 'lead':
      return `leads epoch ${effect.leaderEpoch}`;
    case 'resign':
      return `leads no longer (${errorName(effect.errorCode)})`;
    case 'high-watermark':
      return `high watermark ${effect.offset}${effect.isReset ? ', back' : ''}`;
    case 'send-hello': {
      const { endOffset, epochs, leaderEpoch } = effect.hello;
      const told = epochs.map(({ epoch, startOffset }) => `${epoch}@${startOffset}`).join(' ');
      return `says hello to ${effect.to} in epoch ${leaderEpoch}: log ends ${endOffset}, epochs ${told || 'none'}`;
    }
    case 'send-diverging':
      return `tells ${effect.to} to ${effect.diverging.kind} ${effect.diverging.offset}`;
    case 'send-refused':
      return `refuses ${effect.to}: ${errorName(effect.refused.errorCode)}`;
    case 'truncate':
      return `truncates to ${effect.offset}`;
    case 'start-at':
      return `begins anew at ${effect.offset}`;
    case 'alter-partition':
      return `proposes ISR [${effect.newIsr.map(({ nodeId }) => nodeId).join(' ')}]`;
    case 'raise-log-start':
      return `log start ${effect.offset}`;
    default:
      return undefined;
  }
}
