import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka';
import { cpuSecondsOf } from '../server/process-stats';
import type { Server } from '../server/server';
import { defaultDurability } from './produce';
import { GIGABYTE, KIB, MEGABYTE, type Bench, type Scenario } from './scenario';
import { withTopic } from './topics';

const PARTITIONS = 6;
const MESSAGES_PER_SEND = 120;
const SENDS_IN_FLIGHT = 6;
const MESSAGE_BYTES = KIB;
const CONSUME_WITHIN_MS = 60_000;

export const CLIENT_LINE = '@platformatic/kafka, 1 KiB messages, 6 partitions';

/** What an ordinary JavaScript client gets; most of the time is the client's own. */
export const clientScenario: Scenario = {
  name: 'client',
  summary: 'one real client (@platformatic/kafka): produce, then consume in a group',
  async run(bench) {
    for (const server of bench.servers) await clientLine(bench, server);
  },
};

async function clientLine(bench: Bench, server: Server): Promise<void> {
  const durability = defaultDurability(server);
  await withTopic(server, { partitions: PARTITIONS, durability }, async (topic) => {
    const cpuBefore = cpuSecondsOf(server.pids);
    const produced = await produceFor(server, topic, bench.times.seconds);
    const consumed = await consumeAll(server, topic, produced.messages);
    const megabytes = (produced.messages * MESSAGE_BYTES) / MEGABYTE;
    bench.record({
      line: CLIENT_LINE,
      server: server.name,
      durability,
      metrics: {
        produceMbPerSecond: megabytes / produced.seconds,
        consumeMbPerSecond: megabytes / consumed.seconds,
        joinMs: consumed.joinMs,
        cpuSecondsPerGb: (cpuSecondsOf(server.pids) - cpuBefore) / ((megabytes * MEGABYTE) / GIGABYTE),
      },
    });
  });
}

async function produceFor(server: Server, topic: string, seconds: number): Promise<{ messages: number; seconds: number }> {
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [`127.0.0.1:${server.port}`] });
  const value = Buffer.alloc(MESSAGE_BYTES, 0x62);
  const messages = Array.from({ length: MESSAGES_PER_SEND }, (_, index) => ({ topic, partition: index % PARTITIONS, value }));
  await producer.send({ messages, acks: -1 });
  const startedMs = performance.now();
  let sends = 1;
  const sendUntilEnd = async (): Promise<void> => {
    while (performance.now() - startedMs < seconds * 1000) {
      await producer.send({ messages, acks: -1 });
      sends += 1;
    }
  };
  await Promise.all(Array.from({ length: SENDS_IN_FLIGHT }, sendUntilEnd));
  const took = (performance.now() - startedMs) / 1000;
  await producer.close();
  return { messages: sends * MESSAGES_PER_SEND, seconds: took };
}

async function consumeAll(server: Server, topic: string, messages: number): Promise<{ joinMs: number; seconds: number }> {
  const groupId = `bench-${topic}`;
  const consumer = new Consumer({ groupId, clientId: 'bench', bootstrapBrokers: [`127.0.0.1:${server.port}`] });
  const startedMs = performance.now();
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.EARLIEST,
    autocommit: true,
    maxWaitTime: 500,
  });
  const joinMs = performance.now() - startedMs;
  let seen = 0;
  let late: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', () => {
      seen += 1;
      if (seen === messages) resolve();
    });
    const fail = (): void => reject(new Error(`the consumer saw ${seen} of ${messages} messages in ${CONSUME_WITHIN_MS} ms`));
    late = setTimeout(fail, CONSUME_WITHIN_MS);
  });
  clearTimeout(late);
  const seconds = (performance.now() - startedMs - joinMs) / 1000;
  await stream.close();
  await consumer.close();
  return { joinMs, seconds };
}
