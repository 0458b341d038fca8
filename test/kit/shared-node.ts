import type { TestProject } from 'vitest/node';
import { NodeProcess, type Topology } from './node-process';

declare module 'vitest' {
  interface ProvidedContext {
    topology: Topology;
    bootstrap: string;
    http: string;
    adminGrpc: string;
    /** The inter-broker listener of each process. */
    interBroker: string[];
  }
}

/** One node for all specs of a topology; specs keep apart by topic and group names of their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const topology: Topology = project.config.env['TEST_TOPOLOGY'] === 'split' ? 'split' : 'combined';
  const node = await NodeProcess.start({ topology });
  project.provide('topology', topology);
  project.provide('bootstrap', node.bootstrap);
  project.provide('http', node.http);
  project.provide('adminGrpc', node.adminGrpc);
  project.provide('interBroker', node.interBrokerAddresses);
  return async () => {
    const codes = await node.stop();
    await node.remove();
    if (codes.some((code) => code !== 0)) throw new Error(`a clean stop exits with 0, not ${codes.join()}:\n${node.log}`);
  };
}
