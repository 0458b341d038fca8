import * as grpc from '@grpc/grpc-js';
import { mkdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { serveRaft } from '@streamline/platform/rpc/raft-server';
import { GrpcRaftTransport } from '@streamline/platform/rpc/raft-transport';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { Applied } from '@streamline/runtime/raft/state-machine';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { CountingMachine } from './counting-machine';
import { ProposalLoad } from './proposal-load';
import type { LoadResult, VoterMessage, VoterQuestion, VoterSettings, VoterStatus } from './protocol';

const CLUSTER = 'raftprocessesofthebenc' as ClusterId;
const FAILED = 8;
const LOOP_RESOLUTION_MS = 5;
const FIRST_PROPOSAL_MS = 10_000;

function directoryOf(node: number): DirectoryId {
  return `directoryofnode${node}`.padEnd(22, '0') as DirectoryId;
}

function tell(message: VoterMessage): void {
  process.send?.(message);
}

/** A process that is one voter and nothing else; it talks with the benchmark over its IPC channel and ends with it. */
async function main({ node, directory, raftPorts, config, stateBytes }: VoterSettings): Promise<void> {
  const self = voterId(node as NodeId, directoryOf(node));
  const members = Object.entries(raftPorts).map(([id, port]) => {
    return { id: voterId(Number(id) as NodeId, directoryOf(Number(id))), address: `127.0.0.1:${port}` };
  });
  const [clock, random] = [new NodeClock(), new NodeRandom()];
  await mkdir(directory, { recursive: true });
  let groups = 0;
  const storage = await openRaftStorage({
    disk: new NodeDisk(),
    clock,
    random,
    directory,
    nodeId: node as NodeId,
    directoryId: directoryOf(node),
    clusterId: CLUSTER,
    bootstrap: { members, voters: members.map(({ id }) => id), outgoingVoters: [], learners: [] },
    onGroup: () => groups++,
  });
  const identity = { self, clusterId: () => storage.clusterId, clusterEpoch: () => 0, address: '' };
  const credentials = grpc.credentials.createInsecure();
  const onProblem = (problem: string) => process.stderr.write(`${problem}\n`);
  const transport = new GrpcRaftTransport({ identity, credentials, onProblem });
  const server = new grpc.Server();
  serveRaft(server, transport);
  await new Promise<void>((resolve, reject) => {
    const address = `127.0.0.1:${raftPorts[node]}`;
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  const driver = RaftDriver.start<Applied>({
    clock,
    random,
    self,
    config: { ...DEFAULT_RAFT_CONFIG, ...config },
    storage,
    machine: new CountingMachine(stateBytes, (index) => tell({ kind: 'restored', index })),
    transport,
  });
  driver.onFailure((error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    process.exit(FAILED);
  });
  driver.onLeadership((leads) => {
    if (leads) void commitOne(driver);
  });
  answerQuestions(driver, new ProposalLoad(driver, () => groups));
  tell({ kind: 'ready' });
}

async function commitOne(driver: RaftDriver<Applied>): Promise<void> {
  const { term } = driver.status;
  const reply = await driver.propose([{ records: [Buffer.alloc(100)] }], { deadlineMs: FIRST_PROPOSAL_MS, forward: false });
  if (reply.kind === 'applied') tell({ kind: 'leads', term });
}

function answerQuestions(driver: RaftDriver<Applied>, load: ProposalLoad): void {
  const delays = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delays.enable();

  function status(): VoterStatus {
    const loopDelayMaxMs = Math.max(delays.max / 1e6 - LOOP_RESOLUTION_MS, 0);
    delays.reset();
    return { ...driver.status, leads: driver.leads, loopDelayMaxMs };
  }

  async function answer(question: VoterQuestion): Promise<VoterStatus | LoadResult | undefined> {
    switch (question.kind) {
      case 'status':
        return status();
      case 'load':
        return load.run(question.load);
      case 'begin':
        load.begin(question.load);
        return undefined;
      case 'window':
        return load.takeWindow();
    }
  }

  process.on('message', (question: VoterQuestion) => {
    void answer(question).then((said) => tell({ kind: 'answer', id: question.id, answer: said }));
  });
  process.on('disconnect', () => process.exit(0));
  // Profiles are written at an orderly end only.
  process.once('SIGTERM', () => process.exit(0));
}

await main(JSON.parse(process.argv[2] ?? '{}'));
