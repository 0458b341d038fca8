import { DEFAULT_DURABILITY, type Durability } from '../scenarios/scenario';

/** What to look up in the measurements. */
export interface Figure {
  readonly line: string;
  readonly metric: string;
  readonly durability: Durability;
}

/** One row of the table: our figure, Kafka's, and what their ratio (or ours alone) has to reach. */
export interface Row {
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly ours: Figure;
  readonly theirs: Figure;
  readonly atLeast?: number;
  readonly aim?: number;
  /** The bar is on our figure itself, not on the ratio. */
  readonly absolute?: true;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** A row of a line that each side was measured for as it comes. */
export function compare(
  title: string,
  unit: string,
  better: Row['better'],
  line: string,
  metric: string,
  bar: Partial<Row> = {},
): Row {
  const ours = { line, metric, durability: DEFAULT_DURABILITY.streamline };
  return { title, unit, better, ours, theirs: { line, metric, durability: DEFAULT_DURABILITY.kafka }, ...bar };
}
