import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkHealth } from '@streamline/testing/grpc/generic-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { REPOSITORY } from '../kit/command';
import { unique } from '../kit/names';
import { NodeProcess, SPLIT_ROLES } from '../kit/node-process';

let node: NodeProcess | undefined;

beforeAll(() => {
  const missing = SPLIT_ROLES.filter((role) => !existsSync(path.join(REPOSITORY, 'dist', role, 'main.mjs')));
  if (missing.length > 0) execFileSync(process.execPath, ['tools/build.mjs', ...missing], { cwd: REPOSITORY });
});

afterAll(() => node?.remove());

describe('the four services, each from its own bundle as nx serve runs it', () => {
  it('are one node, which clients use and which stops in order', async () => {
    node = await NodeProcess.start({ topology: 'split', served: true });
    const broker = await Broker.connect(node.bootstrap);
    const topic = unique('served');
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['one', 'two']));
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['one', 'two']);
    await broker.close();
    const health = await Promise.all(node.interBrokerAddresses.map((address) => checkHealth(address, '')));
    expect(health).toEqual(['SERVING', 'SERVING', 'SERVING', 'SERVING']);
    expect(await node.stop(), node.log).toEqual([0, 0, 0, 0]);
  });
});
