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

const PORTS_EACH = 2;
/** What Kafka's defaults ask of internal topics; fewer brokers cannot have as many replicas. */
const INTERNAL_REPLICAS = 3;
const INTERNAL_MIN_ISR = 2;

/** A broker's place in its cluster. */
interface Seat {
  readonly nodeId: number;
  readonly brokers: number;
  readonly clusterId: string;
  /** `id@host:port` of each controller. */
  readonly voters: string;
}

/** Apache Kafka as broker and controller in one process, with Kafka's defaults but for addresses and, alone, replication of 1. */
export class KafkaServer extends Server {
  readonly name = 'kafka';

  private constructor(
    dataDir: string,
    ports: readonly number[],
    private readonly jars: string,
    private readonly seat: Seat,
  ) {
    super(dataDir, ports);
  }

  static async create(jars: string): Promise<KafkaServer> {
    const [alone] = await KafkaServer.createCluster(jars, 1);
    if (alone === undefined) throw new Error('a cluster of one has a broker');
    return alone;
  }

  /** Brokers with the ids 1, 2, …; each is a controller as well. */
  static async createCluster(jars: string, brokers: number): Promise<KafkaServer[]> {
    const ports = await freePorts(brokers * PORTS_EACH);
    const ids = Array.from({ length: brokers }, (_, index) => index + 1);
    const portsOf = (id: number): number[] => ports.slice((id - 1) * PORTS_EACH, id * PORTS_EACH);
    const voters = ids.map((id) => `${id}@127.0.0.1:${portsOf(id)[1] ?? 0}`).join(',');
    const clusterId = randomBytes(16).toString('base64url');
    return Promise.all(
      ids.map(async (nodeId) => {
        const directory = await temporaryDirectory(`kafka-${nodeId}`);
        return new KafkaServer(directory, portsOf(nodeId), jars, { nodeId, brokers, clusterId, voters });
      }),
    );
  }

  async format(): Promise<void> {
    const [broker = 0, controller = 0] = this.ports;
    const { nodeId, brokers, voters, clusterId } = this.seat;
    const replicas = Math.min(brokers, INTERNAL_REPLICAS);
    const properties = [
      'process.roles=broker,controller',
      `node.id=${nodeId}`,
      `controller.quorum.voters=${voters}`,
      `listeners=PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}`,
      `advertised.listeners=PLAINTEXT://127.0.0.1:${broker}`,
      'controller.listener.names=CONTROLLER',
      `log.dirs=${path.join(this.dataDir, 'logs')}`,
      `offsets.topic.replication.factor=${replicas}`,
      `transaction.state.log.replication.factor=${replicas}`,
      `transaction.state.log.min.isr=${Math.min(brokers, INTERNAL_MIN_ISR)}`,
      'group.initial.rebalance.delay.ms=0',
      // Deleted topics give their space back soon, so that one measurement does not fill the page cache of the next.
      'log.segment.delete.delay.ms=1000',
    ];
    await writeFile(this.configFile, `${properties.join('\n')}\n`);
    const result = await run('java', [
      ...this.classPath,
      'kafka.tools.StorageTool',
      'format',
      // In one word: an id may begin with a dash.
      `--cluster-id=${clusterId}`,
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
