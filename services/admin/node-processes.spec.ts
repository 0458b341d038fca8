import type { BrokerImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import type { RoleName } from '@streamline/platform/config/roles';
import { describe, expect, it } from 'vitest';
import { options } from './fixtures';
import { NodeProcesses, type NodeProcessesHost } from './node-processes';

const NODE = 1 as NodeId;
const [OWN] = options().processes();

/** A node whose admin runs alone, with the storage at this port; what it connected to and closed. */
class SplitNode {
  storagePort: number | undefined = 9095;
  readonly open: string[] = [];
  readonly closed: string[] = [];
  readonly processes: NodeProcesses;

  constructor() {
    if (OWN === undefined) throw new Error('there is always a process of this node');
    const { port } = OWN;
    const broker = (): BrokerImage[] => {
      const endpoints = [{ name: 'storage', host: '10.0.0.1', port: this.storagePort }];
      return this.storagePort === undefined ? [] : [{ id: NODE, endpoints } as unknown as BrokerImage];
    };
    const replica = {
      get image() {
        return { brokers: new Map(broker().map((one) => [one.id, one])) };
      },
    };
    const config = {
      roles: ['admin'] as readonly RoleName[],
      controllerAddrs: [{ host: '10.0.0.1', port: 9093 }],
      gatewayAddr: { host: '10.0.0.1', port: 9097 },
    };
    const host = { config, nodeId: NODE, process: port, replica } as unknown as NodeProcessesHost;
    this.processes = new NodeProcesses(host, (address) => {
      this.open.push(address);
      return { port, close: () => this.closed.push(address) };
    });
  }
}

describe('the processes of a split node', () => {
  it('are each connected to once, however often they are asked for', () => {
    const node = new SplitNode();
    for (let n = 0; n < 5; n++) {
      expect(node.processes.now().map(({ roles }) => roles)).toEqual([['admin'], ['controller'], ['storage'], ['gateway']]);
    }
    expect(node.open).toEqual(['10.0.0.1:9093', '10.0.0.1:9095', '10.0.0.1:9097']);
    expect(node.closed).toEqual([]);
  });

  it('have one connection, to where they are: the one to where they were is closed', async () => {
    const node = new SplitNode();
    for (const port of [9095, 9195, 9295]) {
      node.storagePort = port;
      node.processes.now();
    }
    expect(node.closed).toEqual(['10.0.0.1:9095', '10.0.0.1:9195']);
    node.storagePort = undefined;
    const [, , storage] = node.processes.now();
    await expect(storage?.port.getStatus({})).rejects.toThrow('the storage of this node has not registered yet');
    expect(node.closed).toEqual(['10.0.0.1:9095', '10.0.0.1:9195', '10.0.0.1:9295']);
    node.processes.close();
    expect(node.closed.toSorted()).toEqual(node.open.toSorted());
  });
});
