import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode } from '@streamline/core/types/error-code';
import { expect } from 'vitest';
import { batchOf } from '../kit/broker';
import type { ClusterNode } from '../kit/cluster-node';
import { eventually } from '../kit/conditions';
import { topicsAt, withBroker } from './topics';

const RETRY_AFTER_MS = 20;

/** Uses the node that leads the one partition of a topic, as another one tells. Fails where none of `nodes` does. */
async function withLeader<T>(
  asked: ClusterNode,
  nodes: readonly ClusterNode[],
  topic: string,
  use: Parameters<typeof withBroker<T>>[1],
): Promise<T> {
  const id = (await topicsAt(asked)).get(topic)?.[0]?.leader;
  const leader = nodes.find((node) => node.id === id);
  if (leader === undefined) throw new Error(`node ${asked.id} names ${id} as leader of ${topic}`);
  return withBroker(leader, use);
}

/**
 * Writes records to the one partition of a topic until it is told to stop, one after the other with acks=all, each once: keeps
 * those that were acknowledged.
 */
export class RecordWriter {
  readonly acknowledged: string[] = [];
  private stopped = false;
  private readonly loop: Promise<void>;

  constructor(
    private readonly nodes: readonly ClusterNode[],
    private readonly topic: string,
  ) {
    this.loop = this.run();
  }

  get written(): number {
    return this.acknowledged.length;
  }

  async stop(): Promise<readonly string[]> {
    this.stopped = true;
    await this.loop;
    return this.acknowledged;
  }

  /** What was acknowledged is there, each once and in its order, whatever else is. */
  async expectAll(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    const [asked] = nodes;
    if (asked === undefined) throw new Error('there is no node to read from');
    const read = await eventually(`the leader of ${this.topic} is read from`, () =>
      withLeader(asked, nodes, this.topic, (broker) => broker.readAll(this.topic)),
    );
    const acknowledged = new Set(this.acknowledged);
    expect(read.map(({ value }) => value).filter((value) => acknowledged.has(value ?? ''))).toEqual(this.acknowledged);
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.stopped; turn += 1) {
      const value = `${this.topic} record ${turn}`;
      if (await this.write(turn, value).catch(() => false)) this.acknowledged.push(value);
      else await pause(RETRY_AFTER_MS);
    }
  }

  private async write(turn: number, value: string): Promise<boolean> {
    const { nodes, topic } = this;
    const asked = nodes[turn % nodes.length];
    if (asked === undefined) return false;
    const answer = await withLeader(asked, nodes, topic, (broker) => broker.tryProduce(topic, 0, batchOf([value])));
    return answer.errorCode === ErrorCode.NONE;
  }
}
