/** Label values; numbers are written as they are. */
export type Labels = Readonly<Record<string, string | number>>;

export interface MetricSample {
  readonly labels?: Labels;
  readonly value: number;
}

/** `counts[i]` is how many were at most `bounds[i]` and above the bound before; one more count stands for all above the last. */
export interface HistogramSample {
  readonly labels?: Labels;
  /** Ascending, in the metric's unit. */
  readonly bounds: readonly number[];
  /** As many as `bounds`, or one more. Not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** All samples of one metric. Names are `streamline_*` with the base unit last (`_seconds`, `_bytes`), counters end in `_total`. */
export type MetricFamily =
  | { readonly type: 'counter' | 'gauge'; readonly name: string; readonly help: string; readonly samples: Iterable<MetricSample> }
  | { readonly type: 'histogram'; readonly name: string; readonly help: string; readonly samples: Iterable<HistogramSample> };

/**
 * Something that counts. It counts in plain fields, at no cost worth mentioning, and makes samples of them only when
 * somebody scrapes.
 */
export interface MetricsSource {
  collect(): Iterable<MetricFamily> | Promise<Iterable<MetricFamily>>;
}

export function gauge(name: string, help: string, samples: Iterable<MetricSample> | number): MetricFamily {
  return { type: 'gauge', name, help, samples: typeof samples === 'number' ? [{ value: samples }] : samples };
}

export function counter(name: string, help: string, samples: Iterable<MetricSample> | number): MetricFamily {
  return { type: 'counter', name, help, samples: typeof samples === 'number' ? [{ value: samples }] : samples };
}

export function histogram(name: string, help: string, samples: Iterable<HistogramSample>): MetricFamily {
  return { type: 'histogram', name, help, samples };
}
