import pc from 'picocolors';
import { median } from '../scenarios/percentiles';
import type { Measurement } from '../scenarios/scenario';
import type { ServerName } from '../server/server';
import type { Figure, Row, Section } from './section';

/** A row with what was measured for it. */
export interface Result {
  readonly section: string;
  readonly row: Row;
  readonly ours: number | undefined;
  readonly theirs: number | undefined;
  /** Ours divided by Kafka's. */
  readonly ratio: number | undefined;
  /** Undefined where there is no bar, or nothing to hold against it. */
  readonly verdict: 'aim' | 'met' | 'short' | undefined;
}

/** Every row for which at least one side was measured. Several measurements of the same count as their median. */
export function results(measurements: readonly Measurement[], sections: readonly Section[]): Result[] {
  return sections.flatMap(({ title, rows }) =>
    rows.flatMap((row): Result[] => {
      const ours = find(measurements, 'streamline', row.ours);
      const theirs = find(measurements, 'kafka', row.theirs);
      if (ours === undefined && theirs === undefined) return [];
      const ratio = ours === undefined || theirs === undefined ? undefined : ours / theirs;
      return [{ section: title, row, ours, theirs, ratio, verdict: verdictOf(row, row.absolute === true ? ours : ratio) }];
    }),
  );
}

function find(measurements: readonly Measurement[], server: ServerName, figure: Figure): number | undefined {
  const values = measurements
    .filter((each) => each.server === server && each.line === figure.line && each.durability === figure.durability)
    .flatMap((each) => each.metrics[figure.metric] ?? []);
  return values.length === 0 ? undefined : median(values);
}

function verdictOf({ better, atLeast, aim }: Row, value: number | undefined): Result['verdict'] {
  if (value === undefined || atLeast === undefined) return undefined;
  const reaches = (bar: number): boolean => (better === 'higher' ? value >= bar : value <= bar);
  if (aim !== undefined && reaches(aim)) return 'aim';
  return reaches(atLeast) ? 'met' : 'short';
}

const HEADINGS = ['', 'Streamline', 'Kafka', 'ratio', 'at least', 'aim', ''];

/** The table as text. `Kafka` stays empty where it did not run. */
export function renderTable(rows: readonly Result[]): string {
  const cells = rows.map((each) => [
    `  ${each.row.title}`,
    figureText(each.ours, each.row.unit),
    figureText(each.theirs, each.row.unit),
    each.ratio === undefined ? '' : `${numberText(each.ratio)}x`,
    barText(each.row, each.row.atLeast),
    barText(each.row, each.row.aim),
    verdictText(each.verdict),
  ]);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => visibleLength(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => padded(cell, widths[column] ?? 0, column)).join('  ');
  const lines = [pc.bold(line(HEADINGS))];
  rows.forEach((each, index) => {
    if (each.section !== rows[index - 1]?.section) lines.push(pc.bold(each.section));
    lines.push(line(cells[index] ?? []));
  });
  return lines.join('\n');
}

function padded(cell: string, width: number, column: number): string {
  const padding = ' '.repeat(width - visibleLength(cell));
  return column === 0 || column === HEADINGS.length - 1 ? cell + padding : padding + cell;
}

function visibleLength(text: string): number {
  return pc.isColorSupported ? text.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '').length : text.length;
}

export function numberText(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function figureText(value: number | undefined, unit: string): string {
  return value === undefined ? '' : `${numberText(value)} ${unit}`;
}

function barText(row: Row, bar: number | undefined): string {
  if (bar === undefined) return '';
  const limit = row.better === 'lower' ? '<= ' : '';
  return row.absolute === true ? `${limit}${numberText(bar)} ${row.unit}` : `${limit}${bar}x`;
}

function verdictText(verdict: Result['verdict']): string {
  switch (verdict) {
    case 'aim':
      return pc.green('aim reached');
    case 'met':
      return pc.green('met');
    case 'short':
      return pc.red('SHORT');
    case undefined:
      return '';
  }
}
