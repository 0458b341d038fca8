import type * as grpc from '@grpc/grpc-js';
import type { PeerPorts } from '@streamline/runtime/controller/peer-ports';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, MembershipPort } from '@streamline/wire/contracts/ports';
import { openChannel, openFreshChannel } from '../rpc/channel';
import { remotePort } from '../rpc/remote-port';
import type { InterBrokerSecurity } from '../security/inter-broker-security';

/** Connections that are kept: as many as a cluster has voters, and a few for addresses that have changed. */
const KEPT_MAX = 16;

/** What gRPC says of a connection, in an operator's words. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/ECONNREFUSED/, 'connection refused'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution/, 'its name does not resolve'],
  [/EHOSTUNREACH|ENETUNREACH|EHOSTDOWN/, 'unreachable'],
  [/ECONNRESET|Connection dropped|socket hang up/i, 'the connection was closed'],
  [/Deadline exceeded|ETIMEDOUT/i, 'no answer'],
];

interface Kept {
  readonly channel: grpc.Client;
  readonly port: ControllerPort;
}

/** The controllers of other nodes over gRPC. */
export class PeerChannels implements PeerPorts {
  private readonly kept = new Map<string, Kept>();

  constructor(private readonly security: InterBrokerSecurity) {}

  controllerAt(address: string): ControllerPort {
    const known = this.kept.get(address);
    // The one that was used last stands last.
    this.kept.delete(address);
    const kept = known ?? this.open(address);
    this.kept.set(address, kept);
    const [oldest] = this.kept;
    if (this.kept.size > KEPT_MAX && oldest !== undefined) {
      oldest[1].channel.close();
      this.kept.delete(oldest[0]);
    }
    return kept.port;
  }

  async askMembership<Answer>(address: string, ask: (port: MembershipPort) => Promise<Answer>): Promise<Answer> {
    const channel = openFreshChannel(address, this.security.channelCredentials);
    try {
      return await ask(remotePort(MembershipServiceDefinition, channel));
    } catch (error) {
      throw error instanceof PortError ? new PortError(error.code, reasonOf(error.message), { cause: error }) : error;
    } finally {
      channel.close();
    }
  }

  close(): void {
    for (const { channel } of this.kept.values()) channel.close();
    this.kept.clear();
  }

  private open(address: string): Kept {
    const channel = openChannel(address, this.security.channelCredentials);
    return { channel, port: remotePort(ControllerServiceDefinition, channel) };
  }
}

function reasonOf(message: string): string {
  return REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}
