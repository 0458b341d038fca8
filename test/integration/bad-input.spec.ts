import { connect } from 'node:net';
import { badInputs, type BadInput, provoke } from '@streamline/testing/kafka-client/bad-input';
import { SAMPLE_TOPIC } from '@streamline/testing/gateway/sample-requests';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';

const SEEDS = 200;
const AT_ONCE = 25;
const TIMEOUT_MS = 3_000;
const CLAIMS = 200;
/** What a node may grow by, whatever is claimed: its budgets for requests in flight and unsent answers, and room for garbage. */
const GROWTH_BYTES_MAX = 512 * 1024 * 1024;

let node: NodeProcess;
let witness: Broker;
let topic: string;

beforeAll(async () => {
  // A node of its own: what a mutated request asks for may be legal, and it may be to delete what others count on.
  node = await NodeProcess.start({ topology: inject('topology') });
  witness = await Broker.connect(node.bootstrap, 'witness');
  topic = unique('untouched');
  await witness.createTopic(topic);
  await witness.createTopic(SAMPLE_TOPIC);
  await witness.produce(topic, 0, batchOf(['before']));
});

afterAll(async () => {
  await witness.close();
  await node.remove();
});

async function residentBytes(): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  const samples = text.matchAll(/^streamline_process_resident_memory_bytes\S* (\S+)$/gm);
  return Math.max(...[...samples].map(([, value]) => Number(value)));
}

async function provokeAll(inputs: readonly BadInput[]): Promise<string[]> {
  const wrong: string[] = [];
  for (let at = 0; at < inputs.length; at += AT_ONCE) {
    const some = inputs.slice(at, at + AT_ONCE);
    const outcomes = await Promise.all(some.map((input) => provoke(node.kafkaPort, input, TIMEOUT_MS)));
    for (const [index, { name, expects }] of some.entries()) {
      // A mutated request may well ask for a long wait, and get it.
      const fine = expects === 'either' || outcomes[index] === 'closed';
      if (!fine) wrong.push(`${name}: ${outcomes[index]}`);
    }
  }
  return wrong;
}

describe('bad input to a live node', () => {
  it('ends its own connection, while another goes on writing and memory stays bounded', async () => {
    const before = await residentBytes();
    let done = false;
    const writing = (async () => {
      let written = 0;
      for (; !done; written += 1) await witness.produce(topic, 0, batchOf([`${written}`]));
      return written;
    })();
    const wrong = await provokeAll(badInputs(SEEDS));
    done = true;
    const written = await writing;
    expect(wrong).toEqual([]);
    expect(written).toBeGreaterThan(0);
    const values = (await witness.readAll(topic)).map(({ value }) => value);
    expect(values).toEqual(['before', ...Array.from({ length: written }, (_, index) => `${index}`)]);
    expect((await residentBytes()) - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  it('of hundreds of connections that claim 100 MiB each takes no memory and no service from others', async () => {
    const before = await residentBytes();
    const claim = badInputs(0).find(({ name }) => name.includes('100 MiB'));
    const sockets = Array.from({ length: CLAIMS }, () => connect({ host: '127.0.0.1', port: node.kafkaPort }));
    for (const socket of sockets) socket.on('error', () => undefined).write(claim?.bytes ?? '');
    await witness.produce(topic, 0, batchOf(['still']));
    expect((await residentBytes()) - before).toBeLessThan(GROWTH_BYTES_MAX);
    for (const socket of sockets) socket.destroy();
  });

  it('leaves a node that is ready, and that stops in order and starts again with all it had', async () => {
    const end = await witness.offset(topic, 0, -1);
    await eventually('the node is ready', async () => (await fetch(`${node.http}/health/ready`)).status === 200);
    expect(node.log).not.toContain('"level":"fatal"');
    const codes = await node.stop();
    expect(
      codes.every((code) => code === 0),
      node.log,
    ).toBe(true);
    await node.start();
    const again = await Broker.connect(node.bootstrap);
    expect(await again.readAll(topic)).toHaveLength(end);
    await again.close();
  });
});
