import type { Options } from './options';
import type { Bench, Measurement, Scenario, Sides, Subject, Suite } from './scenarios/scenario';
import { numberText } from './report/table';

const WARM_UP_SECONDS = 10;
const QUICK_WARM_UP_SECONDS = 2;

/** Runs scenarios one after the other on servers that it starts and removes; scenarios run on each server in turn. */
export class Session<S extends Subject> {
  readonly measurements: Measurement[] = [];
  /** Scenarios that broke off, with the reason. */
  readonly failures: { readonly scenario: string; readonly message: string }[] = [];
  private shared: readonly S[] = [];

  constructor(
    private readonly suite: Suite<S>,
    private readonly options: Options,
    private readonly sides: Sides,
  ) {}

  async run(): Promise<void> {
    const { scenarioNames, rounds } = this.options;
    const scenarios = this.suite.scenarios.filter(({ name }) => scenarioNames.includes(name));
    try {
      for (let round = 0; round < rounds; round += 1) {
        for (const scenario of scenarios) await this.runScenario(scenario);
      }
    } finally {
      await this.removeShared();
    }
  }

  private async runScenario(scenario: Scenario<S>): Promise<void> {
    console.log(`\n${scenario.name}: ${scenario.summary}`);
    try {
      if (scenario.bringsServers === true) await this.removeShared();
      else await this.startShared();
      await scenario.run(this.bench());
      // Each profile is of one scenario.
      if (this.options.profile) await this.stopShared();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.failures.push({ scenario: scenario.name, message });
      console.log(`  FAILED: ${message}`);
      await this.removeShared();
    }
  }

  private bench(): Bench<S> {
    const { seconds, warmUpSeconds, partitionCounts, quick, coldMemory } = this.options;
    return {
      servers: this.shared,
      times: { seconds, warmUpSeconds },
      partitionCounts,
      quick,
      coldMemory,
      freshServers: () => this.freshServers(),
      record: (measurement) => this.record(measurement),
    };
  }

  private record(measurement: Measurement): void {
    const { line, server, durability, foreignCores = 0, machine } = measurement;
    // What is divided by no request at all is no figure.
    const metrics = Object.fromEntries(Object.entries(measurement.metrics).filter(([, value]) => Number.isFinite(value)));
    this.measurements.push({ ...measurement, metrics });
    const figures = Object.entries(metrics).map(([name, value]) => `${name} ${numberText(value)}`);
    const foreign = foreignCores >= 0.1 ? `   (others used ${foreignCores.toFixed(1)} cores)` : '';
    console.log(`  ${line} | ${server} ${durability} | ${figures.join('  ')}${foreign}${machineText(machine)}`);
  }

  private async freshServers(): Promise<readonly S[]> {
    const servers = await this.suite.create(this.sides);
    for (const server of servers) await server.format();
    return servers;
  }

  private async startShared(): Promise<void> {
    if (this.shared.length > 0) return;
    this.shared = await this.freshServers();
    for (const server of this.shared) {
      await server.start();
      await this.suite.warmUp(server, this.options.quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS);
    }
  }

  private async stopShared(): Promise<void> {
    for (const server of this.shared) await server.end('SIGTERM');
    await this.removeShared();
  }

  private async removeShared(): Promise<void> {
    const servers = this.shared;
    this.shared = [];
    for (const server of servers) await server.remove();
  }
}

/** What the machine could do right before: loop time, copy speed, and new pages of files before and after they were made warm. */
function machineText(machine: Measurement['machine']): string {
  if (machine === undefined) return '';
  const { cpuLoopMs = NaN, copyGbPerSecond = NaN, foundGbPerSecond, warmGbPerSecond = NaN } = machine;
  const pages =
    foundGbPerSecond === undefined ? '' : `, new pages ${foundGbPerSecond.toFixed(1)} -> ${warmGbPerSecond.toFixed(1)} GB/s`;
  return `   [loop ${cpuLoopMs.toFixed(1)} ms, copy ${copyGbPerSecond.toFixed(1)} GB/s${pages}]`;
}
