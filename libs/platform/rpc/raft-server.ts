import type * as grpc from '@grpc/grpc-js';
import { RaftPeerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import type { ServedService } from './inter-broker-server';
import type { GrpcRaftTransport } from './raft-transport';
import { methodsOf } from './service-definition';

/** The consensus as a service of the inter-broker listener. */
export function raftService(transport: Pick<GrpcRaftTransport, 'accept'>): ServedService {
  return { definition: RaftPeerServiceDefinition, bulk: { exchange: (call) => transport.accept(call) } };
}

/** Adds it to a plain gRPC server. */
export function serveRaft(server: grpc.Server, transport: GrpcRaftTransport): void {
  const methods = Object.fromEntries(methodsOf(RaftPeerServiceDefinition).map(({ key, definition }) => [key, definition]));
  server.addService(methods, { exchange: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => transport.accept(call) });
}
