import { describe, expect, it } from 'vitest';
import { planNodes } from './node-plan';

const OPTIONS = { nodes: 3, basePort: 9092, dataDir: undefined, nodeFlags: ['--rack-id', 'a'] };

describe('the plan of the nodes', () => {
  it('has the first begin the cluster, and the others join it', () => {
    const seeds = planNodes(OPTIONS, '/d').map(({ flags }) => flags[flags.indexOf('--seed-nodes') + 1 || -1]);
    expect(seeds).toEqual([undefined, '127.0.0.1:9093', '127.0.0.1:9093']);
  });

  it('gives each node three ports, a directory and a log of its own, and the flags of all', () => {
    const plans = planNodes(OPTIONS, '/d');
    expect(plans.map(({ id, kafka, http, logFile }) => [id, kafka, http, logFile])).toEqual([
      [1, '127.0.0.1:9092', '127.0.0.1:9094', '/d/node1.log'],
      [2, '127.0.0.1:9192', '127.0.0.1:9194', '/d/node2.log'],
      [3, '127.0.0.1:9292', '127.0.0.1:9294', '/d/node3.log'],
    ]);
    expect(plans[1]?.flags.join(' ')).toBe(
      '--profile development --cluster-node-id 2 --data-dir /d/node2 --listen-addr 127.0.0.1:9192 --advertised-addr 127.0.0.1:9192 ' +
        '--http-addr 127.0.0.1:9194 --inter-broker-addr 127.0.0.1:9193 --seed-nodes 127.0.0.1:9093 --rack-id a',
    );
  });
});
