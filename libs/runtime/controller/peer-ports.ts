import type { ControllerPort, MembershipPort } from '@streamline/wire/contracts/ports';

/** Ways to the controllers of other nodes, by the address of their inter-broker listener (host:port). */
export interface PeerPorts {
  /** Over a connection that is kept for as long as the address is used. */
  controllerAt(address: string): ControllerPort;
  /**
   * One call over a connection of its own, so that what comes of it was found out just now. Fails with a PortError whose
   * message says why in a few words.
   */
  askMembership<Answer>(address: string, ask: (port: MembershipPort) => Promise<Answer>): Promise<Answer>;
}
