import { setTimeout as pause } from 'node:timers/promises';
import kafkajs, { type Kafka } from 'kafkajs';
import type { History } from '@streamline/testing/history/log-history';
import type { Progress } from './progress';

/** Keeps what a client complains of; it says itself when that was. */
export type Note = (client: string, complaint: string) => void;

/** What all clients of a load share. */
export interface LoadTarget {
  readonly topic: string;
  readonly partitions: number;
  /** `host:port` of every node, running or not. */
  readonly bootstrap: readonly string[];
  readonly history: History;
  readonly progress: Progress;
  readonly note: Note;
}

/** One client under load. */
export interface LoadClient {
  readonly name: string;
  begin(): Promise<void>;
  /** Sends nothing new; resolves when nothing is under way any more. */
  settle(): Promise<void>;
  close(): Promise<void>;
  /** What it is at, for failures. */
  describe(): string;
}

const CONNECTION_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;
const RETRIES_MAX = 100_000;

/** kafkajs that tries again for as long as it takes, and tells why it does. */
export function patientKafka(clientId: string, bootstrap: readonly string[], tell: (complaint: string) => void): Kafka {
  return new kafkajs.Kafka({
    clientId,
    brokers: [...bootstrap],
    logLevel: kafkajs.logLevel.WARN,
    logCreator: () => (entry) => {
      const { message, timestamp, error, broker } = entry.log as {
        message: string;
        timestamp: string;
        error?: unknown;
        broker?: string;
      };
      tell([timestamp, message, error === undefined ? '' : `(${JSON.stringify(error)})`, broker ?? ''].join(' ').trimEnd());
    },
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: RETRIES_MAX },
  });
}

/** Between two attempts of a loop whose client gave up. */
export function shortly(): Promise<void> {
  return pause(50);
}
