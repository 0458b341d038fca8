import { KafkaServer } from './server/kafka-server';
import type { Server } from './server/server';
import { StreamlineServer } from './server/streamline-server';
import type { Options } from './options';
import type { Bench, Measurement, Scenario } from './scenarios/scenario';
import { warmUp } from './scenarios/warm-up';
import { numberText } from './report/table';

const WARM_UP_SECONDS = 10;
const QUICK_WARM_UP_SECONDS = 2;

export interface SessionOptions extends Options {
  readonly root: string;
  /** Where Kafka's jars are; absent: it does not take part. */
  readonly kafkaJars?: string;
  readonly profileDir?: string;
}

/** Runs scenarios one after the other on servers that it starts and removes; scenarios run on each server in turn. */
export class Session {
  readonly measurements: Measurement[] = [];
  /** Scenarios that broke off, with the reason. */
  readonly failures: { readonly scenario: string; readonly message: string }[] = [];
  private shared: Server[] = [];

  constructor(private readonly options: SessionOptions) {}

  async run(): Promise<void> {
    const { scenarios, rounds } = this.options;
    try {
      for (let round = 0; round < rounds; round += 1) {
        for (const scenario of scenarios) await this.runScenario(scenario);
      }
    } finally {
      await this.removeShared();
    }
  }

  private async runScenario(scenario: Scenario): Promise<void> {
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

  private bench(): Bench {
    const { seconds, warmUpSeconds, partitionCounts, quick } = this.options;
    return {
      servers: this.shared,
      times: { seconds, warmUpSeconds },
      partitionCounts,
      quick,
      freshServers: () => this.freshServers(),
      record: (measurement) => this.record(measurement),
    };
  }

  private record(measurement: Measurement): void {
    const { line, server, durability, foreignCores = 0 } = measurement;
    // What is divided by no request at all is no figure.
    const metrics = Object.fromEntries(Object.entries(measurement.metrics).filter(([, value]) => Number.isFinite(value)));
    this.measurements.push({ ...measurement, metrics });
    const figures = Object.entries(metrics).map(([name, value]) => `${name} ${numberText(value)}`);
    const foreign = foreignCores >= 0.1 ? `   (others used ${foreignCores.toFixed(1)} cores)` : '';
    console.log(`  ${line} | ${server} ${durability} | ${figures.join('  ')}${foreign}`);
  }

  private async freshServers(): Promise<Server[]> {
    const { root, kafkaJars, streamline, profileDir, main } = this.options;
    const servers: Server[] = [];
    if (streamline) servers.push(await StreamlineServer.create({ root, profileDir, main }));
    if (kafkaJars !== undefined) servers.push(await KafkaServer.create(kafkaJars));
    for (const server of servers) await server.format();
    return servers;
  }

  private async startShared(): Promise<void> {
    if (this.shared.length > 0) return;
    this.shared = await this.freshServers();
    for (const server of this.shared) {
      await server.start();
      await warmUp(server, this.options.quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS);
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
