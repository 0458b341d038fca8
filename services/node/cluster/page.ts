import { CLUSTER_EXIT_DOCS, ClusterExit } from '@streamline/platform/config/cluster-exit';
import { clusterProgram } from './program';

function helpOf(command: ReturnType<typeof clusterProgram>): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 110 });
  command.outputHelp();
  return text.trim();
}

function exitRows(): string[] {
  const names = Object.keys(ClusterExit) as (keyof typeof ClusterExit)[];
  return names.map((name) => `| ${ClusterExit[name]} | ${CLUSTER_EXIT_DOCS[name]} |`);
}

const INTRO = `# The command line

<!-- Generated from services/node/cluster: edit that, then run npm run unit -- services/node -u -->

\`streamline\` without a command starts a node ([its settings](configuration.md), [its exit codes](exit-codes.md)).
\`streamline config\` prints the settings that would be in effect, \`streamline docs\` the pages on settings and exit codes.
\`streamline cluster\` shows and changes the cluster; the rest of this page is about it.

## Whom it asks

It speaks to the HTTP API ([http-api.md](http-api.md)) of one node, whichever: the one on this machine, or the one that
\`--http-addr\` or the variable \`STREAMLINE_HTTP_ADDR\` names. What only the leader can do (\`add\`, \`remove\`, \`transfer\`)
the node asks of the leader in the command's stead (\`?forward=true\`), over the inter-broker port and with the node's own TLS
certificate. So the command needs no certificate and no list of addresses, and works while leadership moves: where nobody
leads it asks again for up to 10 seconds. The HTTP API without \`?forward=true\` answers 409 and names the leader instead.

Programs that speak gRPC find the same in \`streamline.admin.v1.AdminService\` on the inter-broker port, with \`forward\` as a
field of the requests.

\`recover\` alone asks nobody: it works on the data directory of a node that is stopped.

Every command may be repeated: what is there is not added again, what is gone is not removed again, and a removal that is
under way is only asked how far it is.
`;

const EXAMPLES = `## Examples

\`\`\`console
$ streamline cluster status
Node 1 is healthy: Node is a healthy voting member with an elected leader

NODE  STATE   LEADER  TERM  COMMITTED  APPLIED  VOTERS   LEARNERS
1     Leader  1       3     42         42       1, 2, 3  -

$ streamline cluster members
NODE  ROLE   LEADER  STATE    INTER-BROKER      KAFKA
1     voter  yes     Running  192.168.1.1:9093  192.168.1.1:9092
2     voter          Running  192.168.1.2:9093  192.168.1.2:9092
3     voter          Dead     192.168.1.3:9093  192.168.1.3:9092

3 members, node 1 leads
\`\`\`

Replace a machine that is gone for good, node 3 by node 4:

\`\`\`sh
streamline cluster remove 3 --force          # says which partitions may have lost records
streamline --cluster-node-id 4 --seed-nodes 192.168.1.1:9093 --data-dir /var/lib/streamline/node4 --advertised-addr 192.168.1.4:9092
\`\`\`

or, where the new node is not to find the cluster by itself, with \`--bootstrap never\` in place of \`--seed-nodes\`, and then

\`\`\`sh
streamline cluster add 4 192.168.1.4:9093
\`\`\`

Take the leader out of service:

\`\`\`sh
streamline cluster transfer && streamline cluster remove 1
\`\`\`

A majority is gone for good: let node 1 go on alone, then let new nodes join it ([what it costs](runbook/majority-lost.md)):

\`\`\`sh
streamline cluster recover --data-dir /var/lib/streamline/node1
\`\`\`

Wait in a script until the node on this machine is healthy:

\`\`\`sh
until streamline cluster status --json > status.json; do sleep 1; done
\`\`\`
`;

/** docs/cli.md */
export function cliPage(): string {
  const program = clusterProgram({ asking: () => Promise.resolve(), recover: () => Promise.resolve() });
  const helps = program.commands.map((command) => {
    return [`### streamline cluster ${command.name()}`, '', '```', helpOf(command), '```', ''].join('\n');
  });
  const exits = ['## Exit codes of `streamline cluster`', '', '| Code | Meaning |', '|---|---|', ...exitRows(), ''].join('\n');
  return [INTRO, '## Commands', '', ...helps, exits, EXAMPLES].join('\n');
}
