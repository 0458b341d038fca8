import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from './kafka-distribution';
import { Server, freePorts, temporaryDirectory, type Command } from './server';

/** What Kafka's own start script sets. */
const JVM_FLAGS = [
  ...['-Xms1G', '-Xmx1G', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35'],
  ...['-XX:+ExplicitGCInvokesConcurrent', '-Djava.awt.headless=true', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'],
];

/** Apache Kafka as broker and controller in one process, with Kafka's defaults but for addresses and replication of 1. */
export class KafkaServer extends Server {
  readonly name = 'kafka';

  private constructor(
    dataDir: string,
    ports: readonly number[],
    private readonly jars: string,
  ) {
    super(dataDir, ports);
  }

  static async create(jars: string): Promise<KafkaServer> {
    return new KafkaServer(await temporaryDirectory('kafka'), await freePorts(2), jars);
  }

  async format(): Promise<void> {
    const [broker = 0, controller = 0] = this.ports;
    const properties = [
      'process.roles=broker,controller',
      'node.id=1',
      `controller.quorum.voters=1@127.0.0.1:${controller}`,
      `listeners=PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
      `advertised.listeners=PLAINTEXT://127.0.0.1:${broker}`,
      'controller.listener.names=CONTROLLER',
      `log.dirs=${path.join(this.dataDir, 'logs')}`,
      'offsets.topic.replication.factor=1',
      'transaction.state.log.replication.factor=1',
      'transaction.state.log.min.isr=1',
      'group.initial.rebalance.delay.ms=0',
      // Deleted topics give their space back soon, so that one measurement does not fill the page cache of the next.
      'log.segment.delete.delay.ms=1000',
    ];
    await writeFile(this.configFile, `${properties.join('\n')}\n`);
    const clusterId = randomBytes(16).toString('base64url');
    const result = await run('java', [
      ...this.classPath,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      clusterId,
      '-c',
      this.configFile,
    ]);
    if (result?.code !== 0) throw new Error(`Kafka's directory could not be formatted:\n${result?.output ?? ''}`);
  }

  protected command(): Command {
    return { command: 'java', args: [...JVM_FLAGS, ...this.classPath, 'kafka.Kafka', this.configFile] };
  }

  private get configFile(): string {
    return path.join(this.dataDir, 'server.properties');
  }

  private get classPath(): string[] {
    return ['-cp', path.join(this.jars, '*')];
  }
}
