import { Broker } from '../broker';
import { eventually } from '../conditions';
import { unique } from '../names';
import { GroupCommits } from './group-commits';
import { LoadProducer, type LoadTarget } from './load-producer';
import { Oracle, type Violation } from './oracle';
import { TopicChurn } from './topic-churn';

const PRODUCERS = 4;
const PROGRESS_WITHIN_MS = 90_000;

interface LoadTopic {
  readonly name: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** Synchronously durable, segments that roll all the time, and one whose durability is the page cache's. */
function loadTopics(): LoadTopic[] {
  return [
    { name: unique('fsync'), partitions: 3, configs: {} },
    { name: unique('rolling'), partitions: 2, configs: { 'segment.bytes': String(1024 * 1024) } },
    { name: unique('page-cache'), partitions: 2, configs: { 'flush.messages': '1000000' } },
  ];
}

/** Producers of both kinds over several topics, a group that commits, topics that come and go, and an oracle that knows what has to be there. */
export class Load {
  readonly oracle = new Oracle();
  private readonly topics = loadTopics();
  private readonly producers: LoadProducer[];
  private readonly commits: GroupCommits;
  private readonly churn: TopicChurn;

  private constructor(private readonly address: string) {
    const targets = this.targets();
    this.producers = Array.from(
      { length: PRODUCERS },
      (_, index) => new LoadProducer(`producer-${index}`, address, targets, this.oracle, index % 2 === 0),
    );
    this.commits = new GroupCommits(unique('group'), address, this.topics[0]?.name ?? '');
    this.churn = new TopicChurn(address);
  }

  static async create(address: string): Promise<Load> {
    const load = new Load(address);
    const broker = await Broker.connect(address);
    for (const { name, partitions, configs } of load.topics) await broker.createTopic(name, { partitions, configs });
    await broker.whenCoordinated(load.commits.groupId);
    await broker.close();
    return load;
  }

  begin(): void {
    for (const producer of this.producers) producer.begin();
    this.commits.begin();
    this.churn.begin();
  }

  /** Resolves when so many more batches were acknowledged, at least. */
  async progress(batches: number): Promise<void> {
    const target = this.oracle.acknowledgedCount + batches;
    await eventually(
      `${batches} more batches are acknowledged; findings: ${this.findings().join('; ')}`,
      () => this.oracle.acknowledgedCount >= target || this.findings().length > 0,
      PROGRESS_WITHIN_MS,
    );
  }

  /** Lets everything in flight come to its end. */
  async settle(): Promise<void> {
    const parts = [...this.producers, this.commits, this.churn];
    await Promise.all(parts.map((part) => part.settle()));
  }

  /** Deletes the first half of the records of the first partition: acknowledged, this has to stay so. */
  async deleteSomeRecords(): Promise<void> {
    const [target] = this.targets();
    if (!target) return;
    const broker = await Broker.connect(this.address);
    const latest = await broker.offset(target.topic, target.partition, -1);
    const offset = Math.floor((this.oracle.allowedStart(target.topic, target.partition) + latest) / 2);
    this.oracle.allowStart(target.topic, target.partition, offset);
    await broker.deleteRecords(target.topic, target.partition, offset);
    await broker.close();
  }

  /** What is wrong with what the node has now, while nothing is in flight. */
  async violations(): Promise<Violation[]> {
    const broker = await Broker.connect(this.address);
    const found = this.findings();
    for (const { topic, partition } of this.targets()) {
      const start = await broker.offset(topic, partition, -2);
      const allowed = this.oracle.allowedStart(topic, partition);
      if (start < allowed) found.push(`${topic}-${partition}: starts at ${start}, deleted up to ${allowed}`);
      found.push(...this.oracle.check(topic, partition, await broker.readBatches(topic, partition)));
    }
    found.push(...(await this.churn.check(broker)));
    await broker.close();
    const commit = await this.commits.check();
    return commit === undefined ? found : [...found, commit];
  }

  private findings(): Violation[] {
    return this.producers.flatMap(({ findings }) => findings);
  }

  private targets(): LoadTarget[] {
    return this.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    );
  }
}
