import * as grpc from '@grpc/grpc-js';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { entrySizeBytes } from '@streamline/core/raft/limits';
import type { Message } from '@streamline/core/raft/messages';
import { directoryIdOf, nodeIdOf } from '@streamline/core/raft/types';
import type { Configuration, Entry, SnapshotMeta, VoterId } from '@streamline/core/raft/types';
import type { ForeignMember } from '@streamline/runtime/controller/encounters';
import { RaftPeerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import { until } from '@streamline/testing/time/until';
import { PLAIN_TEXT } from '../security/plain-text';
import type { RaftLinkLimits } from './raft-link';
import { GrpcRaftTransport } from './raft-transport';
import { serveRaft } from './raft-server';
import { methodsOf } from './service-definition';

const A = '1@aaaaaaaaaaaaaaaaaaaaaa' as VoterId;
const B = '2@bbbbbbbbbbbbbbbbbbbbbb' as VoterId;
const CONFIGURATION: Configuration = {
  members: [{ id: A, address: 'a:1' }],
  voters: [A],
  outgoingVoters: [B],
  learners: [B],
};
const SNAPSHOT: SnapshotMeta = { id: 's', index: 7, term: 3, configuration: { index: 5, configuration: CONFIGURATION } };

const TIMING = { heartbeatIntervalMs: 500, electionTimeoutMinMs: 1_000, electionTimeoutMaxMs: 2_000 };

let ports = 21_600;

/** A member with its transport, on a port of its own. */
class Node {
  readonly received: Message[] = [];
  readonly refused: VoterId[] = [];
  readonly unreachable: VoterId[] = [];
  readonly problems: string[] = [];
  /** What became of connections, as `lost`, `refused` or `heard` and the address. */
  readonly connections: string[] = [];
  readonly transport: GrpcRaftTransport;
  readonly foreign: ForeignMember[] = [];
  readonly differences: string[] = [];
  readonly address: string;
  clusterEpoch = 0;
  #server: grpc.Server | undefined;

  constructor(
    readonly id: VoterId,
    readonly port: number,
    clusterId: string | undefined = 'cluster',
    limits: Partial<RaftLinkLimits> = {},
    timing = TIMING,
  ) {
    this.address = `127.0.0.1:${port}`;
    this.transport = new GrpcRaftTransport({
      identity: { self: id, clusterId: () => clusterId, clusterEpoch: () => this.clusterEpoch, address: this.address, timing },
      credentials: PLAIN_TEXT.channelCredentials,
      limits,
      onProblem: (problem) => this.problems.push(problem),
      onLost: (address) => this.connections.push(`lost ${address}`),
      onRefused: (address) => this.connections.push(`refused ${address}`),
      onHeard: (address) => this.connections.push(`heard ${address}`),
      onForeign: (foreign) => this.foreign.push(foreign),
      onDifference: (difference) => this.differences.push(difference),
    });
    this.transport.listen({
      onMessages: (messages) => this.received.push(...messages),
      onRefused: (peer) => this.refused.push(peer),
      onUnreachable: (peer) => this.unreachable.push(peer),
    });
    nodes.push(this);
  }

  async serve(): Promise<void> {
    this.#server = new grpc.Server();
    serveRaft(this.#server, this.transport);
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(this.address, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
  }

  async stop(): Promise<void> {
    await this.transport.close();
    this.#server?.forceShutdown();
    this.#server = undefined;
  }
}

const nodes: Node[] = [];

async function pair(limits: Partial<RaftLinkLimits> = {}): Promise<[Node, Node]> {
  const a = new Node(A, ports++, 'cluster', limits);
  const b = new Node(B, ports++, 'cluster', limits);
  await a.serve();
  await b.serve();
  a.transport.setPeers([{ id: B, address: b.address }]);
  return [a, b];
}

function idsOf(id: VoterId) {
  return { meantNodeId: nodeIdOf(id), meantDirectoryId: directoryIdOf(id) };
}

/** Sends once: what comes while a peer is being dialled waits for it. */
async function arrives(from: Node, to: Node, message: Message): Promise<Message | undefined> {
  const before = to.received.length;
  from.transport.send([message]);
  await until(() => to.received.length > before);
  return to.received.at(-1);
}

function entry(index: number, rest: Partial<Entry>): Entry {
  const { records = [], configuration } = rest;
  const sizeBytes = entrySizeBytes(records, configuration);
  return {
    index,
    term: 3,
    kind: 'noop',
    records,
    id: undefined,
    configuration,
    timestampMs: 1_700_000_000_000,
    ...rest,
    sizeBytes,
  };
}

const envelope = { from: A, to: B, term: 3 };
const HEARTBEAT: Message = { kind: 'heartbeat', ...envelope, round: 1, commitIndex: 2 };

const MESSAGES: readonly Message[] = [
  { kind: 'vote-request', ...envelope, preVote: true, electionTerm: 4, lastIndex: 5, lastTerm: 2, transfer: true },
  { kind: 'vote-response', ...envelope, preVote: false, electionTerm: 4, granted: true },
  {
    kind: 'append',
    ...envelope,
    previousIndex: 0,
    previousTerm: 0,
    entries: [
      entry(1, {}),
      entry(2, {
        kind: 'records',
        records: [Buffer.from('x'), Buffer.alloc(0)],
        id: { clientId: 'c', sessionIndex: 1, sequence: 2 },
      }),
      entry(3, { kind: 'configuration', configuration: CONFIGURATION }),
    ],
    commitIndex: 1,
  },
  { kind: 'append-accepted', ...envelope, matchIndex: 2 ** 52 },
  { kind: 'append-rejected', ...envelope, previousIndex: 9, hintIndex: 4, hintTerm: 2 },
  HEARTBEAT,
  { kind: 'heartbeat-response', ...envelope, round: 1 },
  { kind: 'snapshot-chunk', ...envelope, snapshot: SNAPSHOT, offset: 100, data: Buffer.from('data'), last: true },
  { kind: 'snapshot-progress', ...envelope, snapshotId: 's', nextOffset: 104 },
  { kind: 'timeout-now', ...envelope },
  {
    kind: 'forward-proposals',
    ...envelope,
    requestId: 1,
    incarnation: 2,
    proposals: [{ records: [Buffer.from('p')], id: undefined }],
  },
  { kind: 'forward-result', ...envelope, requestId: 1, incarnation: 2, outcome: { kind: 'appended', term: 9, firstIndex: 8 } },
  { kind: 'forward-result', ...envelope, requestId: 1, incarnation: 2, outcome: { kind: 'refused', reason: 'too-large' } },
  { kind: 'read-request', ...envelope, requestId: 1, incarnation: 2 },
  { kind: 'read-response', ...envelope, requestId: 1, incarnation: 2, outcome: { kind: 'ready', index: 6 } },
  { kind: 'read-response', ...envelope, requestId: 1, incarnation: 2, outcome: { kind: 'refused', reason: 'transferring' } },
];

function plain(message: Message | undefined): unknown {
  return JSON.parse(
    JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)),
  );
}

describe('GrpcRaftTransport', () => {
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
  });

  it('carries every kind of message unchanged', async () => {
    const [a, b] = await pair();
    for (const message of MESSAGES)
      expect(plain(await arrives(a, b, message)), message.kind).toMatchObject(plain(message) as object);
  });

  it('reports a refused connection as refused, each time, and nothing else as that', async () => {
    const a = new Node(A, ports++);
    a.transport.setPeers([{ id: B, address: `127.0.0.1:${ports++}` }]);
    await until(() => a.refused.length >= 3);
    expect(a.unreachable).toEqual([]);
    expect(a.connections.filter((one) => !one.startsWith('refused'))).toEqual([]);

    const silent = net.createServer(() => undefined).listen(ports++, '127.0.0.1');
    const { port } = await new Promise<net.AddressInfo>((resolve) => {
      silent.once('listening', () => resolve(silent.address() as net.AddressInfo));
    });
    const c = new Node(A, ports++, 'cluster', { connectTimeoutMs: 50 });
    c.transport.setPeers([{ id: B, address: `127.0.0.1:${port}` }]);
    await until(() => c.unreachable.length >= 2);
    expect(c.refused).toEqual([]);
    silent.close();
  });

  it('reaches a peer that answers later than the first dials wait', async () => {
    const b = new Node(B, ports++);
    await b.serve();
    const lateMs = 100;
    const late = net.createServer((near) => {
      const far = net.connect(b.port, '127.0.0.1');
      near.pipe(far);
      far.on('data', (bytes) => setTimeout(() => near.write(bytes), lateMs));
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.on('close', () => far.destroy());
    });
    const port = ports++;
    await new Promise<void>((resolve) => late.listen(port, '127.0.0.1', resolve));
    const a = new Node(A, ports++, 'cluster', { connectTimeoutMs: lateMs / 10, connectTimeoutMaxMs: 60_000 });
    a.transport.setPeers([{ id: B, address: `127.0.0.1:${port}` }]);
    await until(() => a.connections.length > 0);
    expect(a.connections[0]).toBe(`heard 127.0.0.1:${port}`);
    expect(a.unreachable.length).toBeGreaterThanOrEqual(3);
    late.close();
  });

  it('notices at once that a process has gone, and goes on when it is back', async () => {
    const [a, b] = await pair();
    await arrives(a, b, HEARTBEAT);
    await b.stop();
    await until(() => a.refused.length > 0);
    expect(a.connections.slice(0, 3)).toEqual([`heard ${b.address}`, `lost ${b.address}`, `refused ${b.address}`]);
    const back = new Node(B, b.port);
    await back.serve();
    await until(() => {
      a.transport.send([HEARTBEAT]);
      return back.received.length > 0;
    });
  });

  it('takes nothing from another epoch of its cluster, and both sides learn of the other', async () => {
    const [a, b] = await pair();
    await arrives(a, b, HEARTBEAT);
    const recovered = new Node(B, b.port);
    recovered.clusterEpoch = 7;
    await b.stop();
    await recovered.serve();
    await until(() => recovered.foreign.length > 0 && a.foreign.length > 0);
    const meant = { clusterId: 'cluster' };
    expect(recovered.foreign[0]).toEqual({ ...meant, ...idsOf(B), clusterEpoch: 0, address: a.address });
    expect(a.foreign[0]).toEqual({ ...meant, ...idsOf(A), clusterEpoch: 7, address: b.address });
    expect(a.problems.join()).toContain('the cluster was recovered from the loss of a majority, and it was left out');
    expect(recovered.received).toEqual([]);
  });

  it('tells both sides once of settings that differ, and nothing of the same', async () => {
    const [a, b] = await pair();
    await arrives(a, b, HEARTBEAT);
    expect([...a.differences, ...b.differences]).toEqual([]);
    const slow = new Node(A, ports++, 'cluster', {}, { ...TIMING, electionTimeoutMaxMs: 3_000 });
    slow.transport.setPeers([{ id: B, address: b.address }]);
    await arrives(slow, b, HEARTBEAT);
    const [told] = b.differences;
    expect(told).toMatch(/^node 1 has .* election_timeout_max_ms 3000, this node .* election_timeout_max_ms 2000$/);
    expect([slow.differences, b.differences]).toEqual([[expect.stringMatching(/^node 2 has /)], [told]]);
  });

  it('refuses another cluster, a replaced disk and a stranger, and says which', async () => {
    const b = new Node(B, ports++);
    await b.serve();
    const foreign = new Node(A, ports++, 'other');
    foreign.transport.setPeers([{ id: B, address: b.address }]);
    await until(() => foreign.problems.length > 0 && b.problems.length > 0);
    expect(b.problems[0]).toContain('belongs to cluster other');
    const old = new Node(A, ports++);
    old.transport.setPeers([{ id: '2@cccccccccccccccccccccc' as VoterId, address: b.address }]);
    await until(() => old.problems.length > 0);
    expect(old.problems[0]).toContain('its disk was replaced');
    expect(b.received).toEqual([]);
  });

  it('answers a peer whose address it does not know on the stream that this one opened', async () => {
    const [a, b] = await pair();
    await arrives(a, b, HEARTBEAT);
    const answer: Message = { kind: 'heartbeat-response', from: B, to: A, term: 3, round: 1 };
    expect(plain(await arrives(b, a, answer))).toEqual(plain(answer));
  });

  it('answers a peer that is no longer where it was on the stream that this one opened', async () => {
    const [a, b] = await pair();
    const answer: Message = { kind: 'heartbeat-response', from: B, to: A, term: 3, round: 1 };
    b.transport.setPeers([{ id: A, address: '127.0.0.1:1' }]);
    await until(() => {
      a.transport.send([HEARTBEAT]);
      b.transport.send([answer]);
      return a.received.length > 0;
    });
    expect(plain(a.received[0])).toEqual(plain(answer));
  });

  it('drops, and says so, what a peer does not take, and never holds more than its window', async () => {
    const [a, b] = await pair({ windowBytes: 100_000, takeTimeoutMs: 10_000 });
    await arrives(a, b, HEARTBEAT);
    const large = entry(1, { kind: 'records', records: [Buffer.alloc(60_000)] });
    const append: Message = { kind: 'append', ...envelope, previousIndex: 0, previousTerm: 0, entries: [large], commitIndex: 0 };
    a.transport.send([append, append, append]);
    await until(() => a.unreachable.length === 1);
    await until(() => b.received.length === 2);
    await until(() => {
      a.transport.send([append]);
      return b.received.length > 2;
    });
  });

  it('ends a stream that begins with something else, without harm to others', async () => {
    const [a, b] = await pair();
    const exchange = methodsOf(RaftPeerServiceDefinition).find(({ key }) => key === 'exchange');
    if (exchange === undefined) throw new Error('the service has the method');
    const client = new grpc.Client(b.address, grpc.credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = exchange.definition;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const ended = new Promise<void>((resolve) => {
      stream.on('error', () => resolve());
      stream.on('end', () => resolve());
      stream.on('data', () => undefined);
    });
    stream.write(Buffer.from('not a frame at all'));
    await ended;
    client.close();
    expect((await arrives(a, b, HEARTBEAT))?.kind).toBe('heartbeat');
  });
});
