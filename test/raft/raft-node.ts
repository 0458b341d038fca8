import * as grpc from '@grpc/grpc-js';
import { mkdir } from 'node:fs/promises';
import http from 'node:http';
import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { RaftConfig } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { serveRaft } from '@streamline/platform/rpc/raft-server';
import { GrpcRaftTransport } from '@streamline/platform/rpc/raft-transport';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import { SessionClient } from '@streamline/runtime/raft/session-client';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import {
  encodeCommand,
  type KeyCommand,
  RegisterMachine,
  type RegisterResult,
} from '@streamline/testing/raft-host/register-machine';

/** What the process is told, as JSON in its first argument. */
export interface RaftNodeSettings {
  readonly node: number;
  readonly directory: string;
  readonly httpPort: number;
  /** Ports on 127.0.0.1 by node id: these are the voters. */
  readonly raftPorts: Readonly<Record<number, number>>;
  readonly config: Partial<RaftConfig>;
}

/** What a call comes back with. `unknown`: it may take effect at any time, or never. */
export type RaftNodeAnswer =
  { readonly kind: 'done'; readonly result: string | undefined } | { readonly kind: 'unknown' | 'refused' };

const CLUSTER = 'raftprocessesofthetest' as ClusterId;

function directoryOf(node: number): DirectoryId {
  return `directoryofnode${node}`.padEnd(22, '0') as DirectoryId;
}

/**
 * A process that is one voter and nothing else: registers and lists as its state machine, Raft over gRPC on loopback, and
 * `POST /call` (a KeyCommand with its deadline in the header `x-deadline-ms`) and `GET /status` over HTTP for its callers.
 */
async function main(settings: RaftNodeSettings): Promise<void> {
  const { node, directory, httpPort, raftPorts } = settings;
  const self = voterId(node as NodeId, directoryOf(node));
  const members = Object.entries(raftPorts).map(([id, port]) => {
    return { id: voterId(Number(id) as NodeId, directoryOf(Number(id))), address: `127.0.0.1:${port}` };
  });
  const [clock, random] = [new NodeClock(), new NodeRandom()];
  await mkdir(directory, { recursive: true });
  const storage = await openRaftStorage({
    disk: new NodeDisk(),
    clock,
    random,
    directory,
    nodeId: node as NodeId,
    directoryId: directoryOf(node),
    clusterId: CLUSTER,
    bootstrap: { members, voters: members.map(({ id }) => id), outgoingVoters: [], learners: [] },
  });
  const identity = { self, clusterId: () => storage.clusterId, clusterEpoch: () => 0, address: '' };
  const credentials = grpc.credentials.createInsecure();
  const onProblem = (problem: string) => process.stderr.write(`${problem}\n`);
  const transport = new GrpcRaftTransport({ identity, credentials, onProblem });
  const server = new grpc.Server();
  serveRaft(server, transport);
  const machine = new RegisterMachine();
  const config = { ...DEFAULT_RAFT_CONFIG, ...settings.config };
  const driver = RaftDriver.start<RegisterResult>({ clock, random, self, config, storage, machine, transport });
  driver.onFailure((error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(8);
  });
  await new Promise<void>((resolve, reject) => {
    const address = `127.0.0.1:${raftPorts[node]}`;
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  const client = new SessionClient<RegisterResult>({ clock, random, propose: (...call) => driver.propose(...call) });

  async function call({ key, operation }: KeyCommand, deadlineMs: number): Promise<RaftNodeAnswer> {
    if (operation.kind === 'read') {
      const ready = await driver.readIndex({ deadlineMs });
      return ready.kind === 'ready' ? { kind: 'done', result: machine.read(key) } : { kind: 'refused' };
    }
    const reply = await client.propose([encodeCommand({ key, operation })], deadlineMs);
    if (reply.kind === 'applied') return { kind: 'done', result: reply.result.results[0] };
    return reply.kind === 'repeated' ? { kind: 'done', result: undefined } : { kind: reply.kind };
  }

  const web = http.createServer((request, response) => {
    void answer(request).then(
      (body) => response.end(JSON.stringify(body)),
      () => response.writeHead(500).end(),
    );
  });

  async function answer(request: http.IncomingMessage): Promise<unknown> {
    if (request.url === '/status') return { ...driver.status, leads: driver.leads };
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const command: KeyCommand = JSON.parse(Buffer.concat(pieces).toString());
    return call(command, Number(request.headers['x-deadline-ms'] ?? 5_000));
  }

  web.listen(httpPort, '127.0.0.1', () => process.stdout.write('ready\n'));
  process.once('SIGTERM', () => {
    web.close();
    void driver.close().then(() => process.exit(0));
  });
}

await main(JSON.parse(process.argv[2] ?? '{}'));
