import { KafkaControl } from '../load/kafka-control';
import type { Server, ServerName } from '../server/server';
import type { Subject } from '../scenarios/scenario';

/** Servers of one kind that are one cluster; their broker ids are 1, 2, … in this order. */
export class Fleet implements Subject {
  constructor(
    readonly name: ServerName,
    readonly nodes: readonly Server[],
  ) {}

  get pids(): number[] {
    return this.nodes.flatMap((node) => node.pids);
  }

  get residentBytes(): number {
    return this.nodes.reduce((sum, node) => sum + node.residentBytes, 0);
  }

  get running(): Server[] {
    return this.nodes.filter((node) => node.isRunning);
  }

  node(brokerId: number): Server {
    const node = this.nodes[brokerId - 1];
    if (node === undefined) throw new Error(`${this.name} has no broker ${brokerId}`);
    return node;
  }

  /** Asks the first broker that runs. */
  async ask<Answer>(question: (control: KafkaControl) => Promise<Answer>): Promise<Answer> {
    const [node] = this.running;
    if (node === undefined) throw new Error(`no broker of ${this.name} runs`);
    const control = await KafkaControl.connect(node.port);
    try {
      return await question(control);
    } finally {
      await control.close();
    }
  }

  async format(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.format()));
  }

  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end(signal)));
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
  }
}
