import { countOf, hasPassed, type Outcome } from './run-scenario';

const ANOMALIES_SHOWN = 20;
const HEADING = [
  '| scenario | nodes, replicas | faults | acknowledged | lost | duplicated | other anomalies | longest gap | |',
  '|---|---|---|---|---|---|---|---|---|',
];

/** A table of markdown, as it stands in docs/reliability.md. */
export function table(outcomes: readonly Outcome[]): string {
  return [...HEADING, ...outcomes.map(row)].join('\n');
}

function row(outcome: Outcome): string {
  const { scenario, nodes, replicas, faults, acknowledged, anomalies, longestGapMs } = outcome;
  const [lost, duplicated] = [countOf(outcome, 'lost-write'), countOf(outcome, 'duplicate')];
  const cells = [
    ...[scenario, `${nodes}, ${replicas}`, faults, acknowledged.toLocaleString('en'), lost, duplicated],
    ...[anomalies.length - lost - duplicated, `${(longestGapMs / 1_000).toFixed(1)} s`, hasPassed(outcome) ? 'passed' : 'FAILED'],
  ];
  return `| ${cells.join(' | ')} |`;
}

/** What went wrong in a run; nothing where it passed. */
export function complaints({ anomalies, problems }: Outcome): string[] {
  const shown = anomalies.slice(0, ANOMALIES_SHOWN).map(({ kind, what }) => `${kind}: ${what}`);
  const more = anomalies.length - shown.length;
  return [...problems, ...shown, ...(more > 0 ? [`and ${more} anomalies more`] : [])];
}
