import type { NodeEnd } from './local-node';
import type { ClusterView, NodeView } from './observe';

/** One screen: a row for each node, then the cluster as a whole. */
export function tableOf(view: ClusterView, directory: string): string {
  const rows = [
    ['node', 'kafka', 'http', 'raft', 'broker', 'leads', 'replicas', 'committed', ''],
    ...view.nodes.map((node) => rowOf(node, view)),
  ];
  const widths = rows.reduce((most, row) => row.map((cell, index) => Math.max(most[index] ?? 0, cell.length)), [] as number[]);
  const table = rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [headOf(view), '', ...table, '', partitionsOf(view), `logs: ${directory}/node*.log   ^C stops all`].join('\n');
}

/** What is new since `before`, a line for each; for output that is not a terminal. */
export function changesOf(before: ClusterView | undefined, view: ClusterView): string[] {
  const lines = linesOf(view);
  const known = before === undefined ? new Set<string>() : new Set(linesOf(before));
  return lines.filter((line) => !known.has(line));
}

/** "code 0", "signal SIGKILL" */
export function endText({ code, signal }: NodeEnd): string {
  return signal === null ? `code ${code}` : `signal ${signal}`;
}

function linesOf(view: ClusterView): string[] {
  return [...view.nodes.map((node) => lineOf(node, view)), headOf(view), partitionsOf(view)];
}

function lineOf({ plan, pid, end, status }: NodeView, view: ClusterView): string {
  const name = `node ${plan.id}`;
  if (end) return `${name}: ended with ${endText(end)}: ${end.lastLine}`;
  if (!status) return `${name}: starting, process ${pid}, Kafka ${plan.kafka}, http://${plan.http}`;
  const { node_state: state, healthy, health_reason: reason } = status;
  return `${name}: ${state ?? 'unknown'}, broker ${brokerStateOf(plan.id, view)}${healthy ? '' : `, not healthy: ${reason}`}`;
}

function rowOf(node: NodeView, view: ClusterView): string[] {
  const { plan, end, status } = node;
  const { leads, replicas } = view.partitions ?? {};
  return [
    String(plan.id),
    plan.kafka,
    `http://${plan.http}`,
    status?.node_state ?? (end ? 'ended' : '-'),
    brokerStateOf(plan.id, view),
    String(leads?.get(plan.id) ?? 0),
    String(replicas?.get(plan.id) ?? 0),
    String(status?.committed_log_index ?? '-'),
    noteOf(node),
  ];
}

function noteOf({ end, status }: NodeView): string {
  if (end) return `${endText(end)}: ${end.lastLine}`;
  if (!status) return 'does not answer';
  return status.healthy ? '' : status.health_reason;
}

function brokerStateOf(id: number, { members }: ClusterView): string {
  return members?.members.find((member) => member.node_id === id)?.broker_state ?? '-';
}

function headOf({ members, nodes }: ClusterView): string {
  const healthy = nodes.filter(({ status }) => status?.healthy === true).length;
  const counts = `${healthy} of ${nodes.length} nodes healthy`;
  if (!members) return `cluster: unknown, ${counts}`;
  const of = (role: string): number => members.members.filter((member) => member.role === role).length;
  return `cluster: leader ${members.leader_id ?? 'unknown'}, ${of('voter')} voters, ${of('learner')} learners, ${counts}`;
}

function partitionsOf({ partitions }: ClusterView): string {
  if (!partitions) return 'partitions: unknown';
  const { topics, partitions: count, withoutLeader, underReplicated } = partitions;
  return `partitions: ${count} of ${topics} topics, ${withoutLeader} without a leader, ${underReplicated} under-replicated`;
}
