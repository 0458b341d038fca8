/** The guide's commands, as they stand there. */
export const NODE_1 = `
streamline \\
  --cluster-node-id 1 \\
  --advertised-addr 192.168.1.1:9092 \\
  --inter-broker-addr 0.0.0.0:9093 \\
  --data-dir /var/lib/streamline/node1
`;

export const NODE_2 = `
streamline \\
  --cluster-node-id 2 \\
  --advertised-addr 192.168.1.2:9092 \\
  --inter-broker-addr 0.0.0.0:9093 \\
  --seed-nodes 192.168.1.1:9093 \\
  --data-dir /var/lib/streamline/node2
`;

export const NODE_3 = `
streamline \\
  --cluster-node-id 3 \\
  --advertised-addr 192.168.1.3:9092 \\
  --inter-broker-addr 0.0.0.0:9093 \\
  --seed-nodes 192.168.1.1:9093 \\
  --data-dir /var/lib/streamline/node3
`;

/** "streamline --cluster-node-id 4 --seed-nodes 192.168.1.1:9093 ...", with the dots written out as for the others. */
export const NODE_4 = `
streamline --cluster-node-id 4 --seed-nodes 192.168.1.1:9093 \\
  --advertised-addr 192.168.1.4:9092 \\
  --inter-broker-addr 0.0.0.0:9093 \\
  --data-dir /var/lib/streamline/node4
`;

/** The commands of `streamline` below a heading of a page in Markdown, each a line. */
export function commandsBelow(heading: string, page: string): string[] {
  const [, below = ''] = page.split(`\n## ${heading}\n`);
  const [section = ''] = below.split('\n## ');
  const commands = section.match(/^(bin\/)?streamline --.*$/gm) ?? [];
  return commands.map((command) => command.replace('bin/', ''));
}

/** The arguments of a command as a shell takes them, the command's own name left out. */
export function argumentsOf(command: string): string[] {
  const [name, ...rest] = command.replaceAll('\\\n', ' ').trim().split(/\s+/);
  if (name !== 'streamline') throw new Error(`not a command of streamline: ${command}`);
  return rest;
}
