import { randomInt } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { Load } from '../kit/load/load';
import { NodeProcess, SPLIT_ROLES } from '../kit/node-process';

/** Times each process is killed; CRASH_ROUNDS=50 for a night's run. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 1);
const ROUND_WITHIN_MS = 120_000;
const MOST_BATCHES_A_ROUND = 200;

describe('kill -9 of one process of a split node in the middle of load', () => {
  let node: NodeProcess | undefined;
  let load: Load | undefined;
  afterAll(() => node?.remove());

  it(
    `keeps every acknowledged record whichever process it is, ${ROUNDS} times each, and goes on by itself`,
    async () => {
      node = await NodeProcess.start({ topology: 'split' });
      load = await Load.create(node.bootstrap);
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const role of SPLIT_ROLES) {
          load.begin();
          await load.progress(randomInt(1, MOST_BATCHES_A_ROUND));
          await node.killAndStartRole(role);
          // Nobody waits for readiness here: clients just try again.
          await load.progress(MOST_BATCHES_A_ROUND);
          await load.settle();
          expect(await load.violations(), `after kill ${round + 1} of the ${role}`).toEqual([]);
          await node.waitReady();
        }
      }
    },
    ROUNDS * ROUND_WITHIN_MS,
  );

  it(
    'and with all of them killed at once',
    async () => {
      if (!node || !load) throw new Error('the node did not start');
      load.begin();
      await load.progress(randomInt(1, MOST_BATCHES_A_ROUND));
      await node.kill();
      await node.start();
      await load.progress(1);
      await load.settle();
      expect(await load.violations()).toEqual([]);
    },
    ROUND_WITHIN_MS,
  );
});
