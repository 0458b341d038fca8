import 'reflect-metadata';
import { ROLES } from '@streamline/platform/config/roles';
import { runCommand } from '@streamline/platform/host/run-command';

/** The `streamline` command: a node with any set of roles in one process. */
await runCommand({
  roles: ROLES,
  load: async () => (await import('./services')).services,
  cluster: async (args) => {
    const { clusterCommand } = await import('./cluster/cluster-command');
    const out = (text: string): void => void process.stdout.write(text);
    const note = (text: string): void => void process.stderr.write(text);
    const ask = async (question: string): Promise<string | undefined> => {
      const { createInterface } = await import('node:readline/promises');
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      const ended = new Promise<undefined>((resolve) => lines.once('close', () => resolve(undefined)));
      try {
        return await Promise.race([lines.question(question), ended]);
      } finally {
        lines.close();
      }
    };
    return clusterCommand({ args, env: process.env, out, note, ask });
  },
});
