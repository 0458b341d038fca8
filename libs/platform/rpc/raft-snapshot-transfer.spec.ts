import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_RAFT_CONFIG, EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { MembershipChange } from '@streamline/core/raft/inputs';
import type { Message } from '@streamline/core/raft/messages';
import type { Member, RaftConfig } from '@streamline/core/raft/types';
import { directoryIdOf } from '@streamline/core/raft/types';
import type { NodeId } from '@streamline/core/types/ids';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { CLUSTER, memberId } from '@streamline/testing/raft-host/raft-host-kit';
import { RegisterMachine, encodeCommand, type RegisterResult } from '@streamline/testing/raft-host/register-machine';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { until } from '@streamline/testing/time/until';
import { PLAIN_TEXT } from '../security/plain-text';
import { serveRaft } from './raft-server';
import { GrpcRaftTransport } from './raft-transport';

const SNAPSHOT_BYTES = 32 * 1024 * 1024;
/** Milliseconds that an operation of the joiner's disk takes, about: every chunk waits for some. */
const SLOW_DISK_MS = 3;
/** Heartbeats are frequent, and elections far away even for a machine that has other things to do. */
const CONFIG: RaftConfig = {
  ...DEFAULT_RAFT_CONFIG,
  heartbeatIntervalMs: 20,
  electionTimeoutMinMs: 4_000,
  electionTimeoutMaxMs: 8_000,
  snapshotIntervalLogs: 2_000,
  maxLogsInSnapshot: 0,
  purgeBatchSize: 1,
};
const LIMITS = { connectTimeoutMs: 5_000, connectTimeoutMaxMs: 5_000, takeTimeoutMs: 20_000 };

/** What a member hears of its leader, and what the chunks of a snapshot do to that. */
class Watch implements RaftTransport {
  heartbeats = 0;
  chunks = 0;
  longestGapMs = 0;
  /** Chunks that came while a heartbeat was on its way. */
  mostChunksBefore = 0;
  #heardMs = 0;
  /** Of each heartbeat that is on its way: the chunks that had come when it left. */
  readonly #underWay: number[] = [];

  constructor(
    private readonly transport: GrpcRaftTransport,
    private readonly watchOf: (message: Message) => Watch | undefined,
  ) {}

  /** From now on. */
  begin(): void {
    this.#heardMs = performance.now();
    [this.heartbeats, this.longestGapMs, this.mostChunksBefore] = [0, 0, 0];
  }

  listen(listener: RaftTransportListener): void {
    this.transport.listen({
      ...listener,
      onMessages: (messages) => {
        for (const message of messages) this.#heard(message);
        listener.onMessages(messages);
      },
    });
  }

  setPeers(peers: readonly Member[]): void {
    this.transport.setPeers(peers);
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      const watch = this.watchOf(message);
      if (message.kind === 'heartbeat' && watch !== undefined) watch.#underWay.push(watch.chunks);
    }
    this.transport.send(messages);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  #heard({ kind }: Message): void {
    if (kind === 'snapshot-chunk') this.chunks++;
    if (kind !== 'heartbeat') return;
    const nowMs = performance.now();
    this.heartbeats++;
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#heardMs);
    this.#heardMs = nowMs;
    this.mostChunksBefore = Math.max(this.mostChunksBefore, this.chunks - (this.#underWay.shift() ?? this.chunks));
  }
}

interface Node {
  readonly member: Member;
  readonly watch: Watch;
  readonly machine: RegisterMachine;
  readonly driver: RaftDriver<RegisterResult>;
  readonly server: grpc.Server;
}

const nodes: Node[] = [];

/** Serves a member's transport on a free port; the first one's configuration is itself alone, others wait to be added. */
async function start(node: number, { isFirst = false, diskMs = 0 } = {}): Promise<Node> {
  const self = memberId(node);
  const transport = new GrpcRaftTransport({
    identity: { self, clusterId: () => CLUSTER, clusterEpoch: () => 0, address: '' },
    credentials: PLAIN_TEXT.channelCredentials,
    limits: LIMITS,
    onProblem: () => undefined,
  });
  const server = new grpc.Server();
  serveRaft(server, transport);
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const member = { id: self, address: `127.0.0.1:${port}` };
  const later = diskMs === 0 ? {} : { later: (turn: () => void) => void setTimeout(turn, diskMs) };
  const disk = new MemoryDisk({ random: new SeededRandom(node), ...later });
  await disk.makeDirectory('/raft');
  await disk.syncDirectory('/');
  const [clock, random] = [new NodeClock(), new NodeRandom()];
  const bootstrap = isFirst ? { ...EMPTY_CONFIGURATION, members: [member], voters: [self] } : EMPTY_CONFIGURATION;
  const identity = { nodeId: node as NodeId, directoryId: directoryIdOf(self), clusterId: CLUSTER, bootstrap };
  const storage = await openRaftStorage({ disk, clock, random, directory: '/raft', ...identity });
  const watch = new Watch(transport, ({ to }) => nodes.find(({ member: { id } }) => id === to)?.watch);
  const machine = new RegisterMachine();
  const driver = RaftDriver.start({ clock, random, self, config: CONFIG, storage, machine, transport: watch });
  const started = { member, watch, machine, driver, server };
  nodes.push(started);
  return started;
}

async function set({ driver }: Node, values: readonly string[]): Promise<void> {
  const proposals = values.map((value) => ({ records: [encodeCommand({ key: 'k', operation: { kind: 'write', value } })] }));
  const reply = await driver.propose(proposals, { deadlineMs: 60_000, forward: false });
  expect(reply.kind).toBe('applied');
}

async function change({ driver }: Node, what: MembershipChange): Promise<void> {
  expect(await driver.changeMembership([what], { deadlineMs: 60_000 })).toMatchObject({ kind: 'done' });
}

describe('a large snapshot on its way to a slow member', () => {
  afterEach(async () => {
    for (const { driver } of nodes) driver.kill();
    for (const { watch } of nodes) await watch.close();
    for (const { server } of nodes.splice(0)) server.forceShutdown();
  });

  it('delays no heartbeat: the leader goes on to lead and to commit, and everybody hears it all the time', async () => {
    const leader = await start(1, { isFirst: true });
    await until(() => leader.driver.leads, 60_000);
    for (const node of [2, 3]) {
      const { member } = await start(node);
      await change(leader, { kind: 'add-learner', member });
      await until(() => leader.driver.status.peers.every(({ state, matchIndex }) => state === 'replicate' && matchIndex > 0));
      await change(leader, { kind: 'promote', id: member.id });
    }
    const { term } = leader.driver.status;
    leader.machine.fillerBytes = SNAPSHOT_BYTES;
    const values = Array.from({ length: CONFIG.snapshotIntervalLogs }, (_, n) => `before-${n}`);
    await set(leader, values);
    await until(() => leader.driver.status.baseIndex > 0, 60_000);

    const joiner = await start(4, { diskMs: SLOW_DISK_MS });
    for (const { watch } of nodes) watch.begin();
    await change(leader, { kind: 'add-learner', member: joiner.member });
    let committed = 0;
    while (joiner.machine.restores === 0) {
      await set(leader, [`meanwhile-${committed++}`]);
      await new Promise((resolve) => setTimeout(resolve, CONFIG.heartbeatIntervalMs));
    }
    await until(() => joiner.machine.read('k') === `meanwhile-${committed - 1}`, 60_000);

    expect(joiner.watch.chunks).toBeGreaterThanOrEqual(SNAPSHOT_BYTES / CONFIG.snapshotChunkBytes);
    expect(committed).toBeGreaterThan(10);
    expect(leader.driver.leads).toBe(true);
    for (const { driver } of nodes) expect(driver.status).toMatchObject({ term, leaderId: leader.member.id });
    for (const { watch } of nodes.filter((node) => node !== leader)) {
      expect(watch.heartbeats).toBeGreaterThan(10);
      expect(watch.longestGapMs).toBeLessThan(CONFIG.electionTimeoutMinMs);
      expect(watch.mostChunksBefore).toBeLessThanOrEqual(CONFIG.inflightChunksMax + 1);
    }
  }, 240_000);
});
