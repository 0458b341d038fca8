import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClusterNode } from '../kit/cluster-node';
import type { Note } from './load/client';

/** What is left of one scenario's run, to read afterwards: what kafkajs complained of, and what each node logged. */
export class Records {
  private constructor(
    private readonly directory: string,
    private readonly complaints: WriteStream,
  ) {}

  static async in(directory: string): Promise<Records> {
    await mkdir(directory, { recursive: true });
    return new Records(directory, createWriteStream(path.join(directory, 'kafkajs.log')));
  }

  /** Keeps what a client complains of. Some go on doing so when they are closed. */
  readonly note: Note = (client, complaint) => {
    if (!this.complaints.writableEnded) this.complaints.write(`${complaint} [${client}]\n`);
  };

  /** Nothing more is kept. */
  async close(nodes: readonly ClusterNode[]): Promise<void> {
    await new Promise<void>((resolve) => this.complaints.end(resolve));
    await Promise.all(nodes.map((node) => writeFile(path.join(this.directory, `node-${node.id}.log`), node.log)));
  }
}
