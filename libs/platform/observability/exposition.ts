import type { HistogramSample, Labels, MetricFamily, MetricSample } from './metric-family';

/** Prometheus' text format, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

function escapeHelp(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replace(/"/g, '\\"');
}

function valueText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return Number.isNaN(value) ? 'NaN' : String(value);
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${valueText(value)}`;
}

function histogramLines(name: string, { labels = {}, bounds, counts, sum }: HistogramSample): string[] {
  let total = 0;
  const lines = bounds.map((bound, index) => {
    total += counts[index] ?? 0;
    return line(`${name}_bucket`, { ...labels, le: valueText(bound) }, total);
  });
  total += counts[bounds.length] ?? 0;
  lines.push(line(`${name}_bucket`, { ...labels, le: '+Inf' }, total));
  lines.push(line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, total));
  return lines;
}

function sampleLines(family: MetricFamily): string[] {
  if (family.type === 'histogram') return Array.from(family.samples).flatMap((sample) => histogramLines(family.name, sample));
  return Array.from(family.samples, ({ labels = {}, value }: MetricSample) => line(family.name, labels, value));
}

/** Families in Prometheus' text format; those of one name are put together, whoever they come from. */
export function formatFamilies(families: Iterable<MetricFamily>): string {
  const blocks = new Map<string, string[]>();
  for (const family of families) {
    const head = [`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`];
    const block = blocks.get(family.name) ?? head;
    for (const one of sampleLines(family)) block.push(one);
    blocks.set(family.name, block);
  }
  return joinBlocks(blocks);
}

function joinBlocks(blocks: ReadonlyMap<string, readonly string[]>): string {
  return [...blocks.values()].map((lines) => `${lines.join('\n')}\n`).join('');
}

/**
 * Puts the texts of several processes together: the format wants all samples of a metric in one block, under one HELP and
 * one TYPE. A sample that a process repeats word for word is kept once.
 */
export function mergeExpositions(texts: readonly string[]): string {
  const blocks = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const text of texts) {
    let block: string[] = [];
    for (const one of text.split('\n')) {
      const header = /^# (?:HELP|TYPE) (\S+)/.exec(one);
      if (header !== null) {
        const name = header[1] ?? '';
        block = blocks.get(name) ?? [];
        blocks.set(name, block);
      }
      if (one === '' || seen.has(one)) continue;
      seen.add(one);
      block.push(one);
    }
  }
  return joinBlocks(blocks);
}
