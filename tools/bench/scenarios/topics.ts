import { setTimeout as delay } from 'node:timers/promises';
import { KafkaControl } from '../load/kafka-control';
import { run } from '../server/kafka-distribution';
import type { Server } from '../server/server';
import type { Durability } from './scenario';

/** Kafka's default: never; both servers take it for "page cache". */
const NEVER = '9223372036854775807';
const DELETED_FILES_LINGER_MS = 1200;

let topicsMade = 0;

export function durabilityConfigs(durability: Durability): Record<string, string> {
  return { 'flush.messages': durability === 'fsync' ? '1' : NEVER };
}

/**
 * Makes a topic, lets `use` work with it and deletes it. Then what is left in the page cache is written out, so that the next
 * measurement starts from the same state whatever this one did.
 */
export async function withTopic<Result>(
  server: Server,
  options: { readonly partitions: number; readonly durability: Durability; readonly configs?: Record<string, string> },
  use: (topic: string, control: KafkaControl) => Promise<Result>,
): Promise<Result> {
  const control = await KafkaControl.connect(server.port);
  try {
    topicsMade += 1;
    const topic = `bench-${String(topicsMade).padStart(4, '0')}`;
    await control.createTopic(topic, options.partitions, { ...durabilityConfigs(options.durability), ...options.configs });
    const result = await use(topic, control);
    await control.deleteTopic(topic);
    return result;
  } finally {
    await control.close();
    await settle();
  }
}

export async function settle(): Promise<void> {
  await delay(DELETED_FILES_LINGER_MS);
  await run('sync', []);
}
