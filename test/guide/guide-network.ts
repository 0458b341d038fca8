import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Cluster } from '../kit/cluster';
import { Network } from '../kit/netns';
import { argumentsOf } from './literal-commands';

/** The guide's machines, and its commands on them. */
export interface GuideNetwork {
  readonly network: Network;
  readonly cluster: Cluster;
  dispose(): Promise<void>;
}

/**
 * Each command gets a machine of its own with the address that the guide gives it, and these flags beside its own; what is its /var/lib is a
 * folder of the spec.
 */
export async function guideNetwork(commands: readonly string[], flags: readonly string[] = []): Promise<GuideNetwork> {
  const network = await Network.create(commands.length);
  const cluster = await Cluster.inNetwork({
    network,
    commands: commands.map((command) => [...argumentsOf(command), ...flags]),
    surroundings: (_id, directory) => ({ mounts: [[directory, '/var/lib']] }),
    dataDirOf: (directory) => path.join(directory, 'streamline', path.basename(directory)),
  });
  await Promise.all(cluster.nodes.map(({ plan }) => mkdir(path.join(plan.directory, 'streamline'), { recursive: true })));
  return {
    network,
    cluster,
    dispose: async () => {
      await cluster.remove();
      await network.dispose();
    },
  };
}
