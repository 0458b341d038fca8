import { randomInt } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { Load } from '../kit/load/load';
import { NodeProcess } from '../kit/node-process';

/** CRASH_ROUNDS=200 for a night's run. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 10);
const ROUND_WITHIN_MS = 60_000;
const MOST_BATCHES_A_ROUND = 400;

describe('kill -9 of a node in the middle of load', () => {
  let node: NodeProcess | undefined;
  afterAll(() => node?.remove());

  it(
    `keeps every acknowledged record where it was acknowledged, ${ROUNDS} times over`,
    async () => {
      node = await NodeProcess.start();
      const load = await Load.create(node.bootstrap);
      for (let round = 0; round < ROUNDS; round += 1) {
        load.begin();
        await load.progress(randomInt(MOST_BATCHES_A_ROUND));
        if (round % 3 === 1) await load.deleteSomeRecords();
        await node.kill();
        await node.start();
        // Producers are back and get on, those that are idempotent with what they had in flight.
        await load.progress(1);
        await load.settle();
        expect(await load.violations(), `after kill ${round + 1}`).toEqual([]);
      }
      expect(load.oracle.acknowledgedCount).toBeGreaterThan(ROUNDS);
    },
    ROUNDS * ROUND_WITHIN_MS,
  );
});
