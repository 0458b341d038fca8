import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect, inject, it } from 'vitest';
import { REPOSITORY } from '../kit/command';

const FILE = path.join(REPOSITORY, 'docs/metrics.md');

/** What the metrics are about, by how their names begin; the first that fits. */
const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ['streamline_node_', 'The node as a whole'],
  ['streamline_controller_', 'Controller: the metadata log'],
  ['streamline_cluster_', 'Cluster, as its controller knows it'],
  ['streamline_kafka_', 'Gateway: Kafka clients'],
  ['streamline_log', 'Storage: partitions'],
  ['streamline_replication_', 'Storage: replicas that other brokers have too'],
  ['streamline_journal_', 'Journals of storage and controller'],
  ['streamline_group', 'Groups'],
  ['streamline_inter_broker_', 'Connections between processes of the cluster'],
  ['streamline_nodejs_', 'Processes: the runtime'],
  ['streamline_', 'Processes'],
];

interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

function metricsOf(text: string): Metric[] {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const helps = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)];
  return helps
    .map(([, name = '', help = '']) => ({ name, type: types.get(name) ?? '', help }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function page(metrics: readonly Metric[]): string {
  const sectionOf = ({ name }: Metric): string | undefined => SECTIONS.find(([prefix]) => name.startsWith(prefix))?.[1];
  const sections = SECTIONS.map(([, title]) => {
    const rows = metrics.filter((metric) => sectionOf(metric) === title);
    const lines = rows.map(
      ({ name, type, help }) => `| \`${name}\` | ${type} | ${help.replaceAll('|', '\\|').replace(/\.$/, '')} |`,
    );
    return [`## ${title}`, '', '| Metric | Type | Meaning |', '|---|---|---|', ...lines, ''].join('\n');
  });
  return [
    '# Metrics',
    '',
    '`GET /metrics` of the HTTP API (port 9094) tells them in the text format of Prometheus, for all processes of the node; gRPC tells them as well. This page is made from a running node by `test/integration/metrics-doc.spec.ts`: run it with `UPDATE_DOCS=1` after a change.',
    '',
    'Names end in their base unit; counters end in `_total`. What differs by process carries the label `process` (its roles), what there is one of for each topic, partition, group, API, state or journal carries a label of that name.',
    '',
    'To watch first (`deploy/alerts.yml` has rules for Prometheus): `streamline_node_healthy`, `streamline_controller_leader_id` (-1: nobody leads), `streamline_controller_committed_index` against `streamline_controller_applied_index` (a growing difference: the state machine lags), `streamline_cluster_partitions_leaderless` and `streamline_log_partitions_offline` (above 0: partitions cannot be used, or are copied anew in a while; the log says which, and what can be done), `streamline_journal_commit_duration_seconds` (the disk), `streamline_group_lag`.',
    '',
    ...sections,
  ].join('\n');
}

it('docs/metrics.md names every metric of a running node with its type and meaning, and no other', async () => {
  const text = await (await fetch(`${inject('http')}/metrics`)).text();
  const wanted = await format(page(metricsOf(text)), { ...(await resolveConfig(FILE)), parser: 'markdown' });
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, wanted);
  expect(readFileSync(FILE, 'utf8')).toBe(wanted);
});
