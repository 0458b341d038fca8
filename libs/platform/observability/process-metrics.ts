import type { Registry } from 'prom-client';
import { EventLoopDelay } from './event-loop-delay';
import { formatFamilies, mergeExpositions } from './exposition';
import { counter, type MetricFamily, type MetricsSource } from './metric-family';

export interface ProcessMetricsOptions {
  /** The roles of this process: the label `process` of what only a process has (memory, CPU, event loop). */
  readonly roles: readonly string[];
  readonly version: string;
  readonly nodeId: number;
}

const PREFIX = 'streamline_';

/**
 * What prom-client has and tells wrong: it counts CPU from the first scrape on, and forgets delays of the event loop at each
 * one, so that a first scrape has none and two who scrape have half each.
 */
const OWN_INSTEAD = /_(process_cpu_\w+|nodejs_eventloop_lag\w*)$/;

/**
 * The metrics of one process. Roles add sources of plain counters, which are read when somebody scrapes. What a process
 * has anyway (CPU, memory, descriptors, garbage collection) comes from prom-client, which is loaded with the first scrape
 * so that a start does not pay for it. Our own families are written without its objects: those cost a hash per sample,
 * which ten thousand partitions would feel.
 */
export class ProcessMetrics {
  private readonly sources: MetricsSource[] = [];
  private defaults: Promise<Registry> | undefined;
  private failures = 0;

  constructor(private readonly options: ProcessMetricsOptions) {
    const delay = new EventLoopDelay({ process: options.roles.join('+') });
    delay.start();
    this.add(delay);
  }

  add(source: MetricsSource): void {
    this.sources.push(source);
  }

  /** Prometheus' text format. A source that fails is left out and counted; the others are still told. */
  async text(): Promise<string> {
    this.defaults ??= this.loadDefaults();
    const registry = await this.defaults;
    const families = (await Promise.all(this.sources.map((source) => this.collect(source)))).flat();
    const help = 'Sources of metrics that failed when scraped';
    const own = formatFamilies([
      ...families,
      ...this.cpu(),
      this.info(),
      counter('streamline_metrics_source_failures_total', help, this.failures),
    ]);
    return mergeExpositions([own, await registry.metrics()]);
  }

  private cpu(): readonly MetricFamily[] {
    const { user, system } = process.cpuUsage();
    const seconds = (kind: string, help: string, micros: number): MetricFamily => {
      const samples = [{ labels: this.process(), value: micros / 1e6 }];
      return counter(`streamline_process_cpu_${kind}seconds_total`, help, samples);
    };
    return [
      seconds('user_', 'User CPU time of the process', user),
      seconds('system_', 'System CPU time of the process', system),
      seconds('', 'User and system CPU time of the process', user + system),
    ];
  }

  private info(): MetricFamily {
    const labels = { version: this.options.version, node: this.options.nodeId, node_version: process.version, ...this.process() };
    return { type: 'gauge', name: 'streamline_build_info', help: 'Always 1; what runs here', samples: [{ labels, value: 1 }] };
  }

  private process(): { readonly process: string } {
    return { process: this.options.roles.join('+') };
  }

  private async collect(source: MetricsSource): Promise<MetricFamily[]> {
    try {
      return [...(await source.collect())];
    } catch {
      this.failures++;
      return [];
    }
  }

  private async loadDefaults(): Promise<Registry> {
    // A CommonJS module: in a bundle its exports are found under `default` only.
    const { default: prom } = await import('prom-client');
    const registry = new prom.Registry();
    prom.collectDefaultMetrics({ register: registry, prefix: PREFIX, labels: this.process() });
    for (const { name } of registry.getMetricsAsArray()) if (OWN_INSTEAD.test(name)) registry.removeSingleMetric(name);
    return registry;
  }
}
