import { describe, expect, it } from 'vitest';
import { Violation } from '@streamline/testing/raft/violation';
import { ControllerModel } from './controller-model';
import { PLANTED_BUGS, simulationWith } from './planted-bugs';
import { runSeed } from './run-seed';

describe('replication simulations, with the assertions of the core off', () => {
  it('go well with a core without a bug, so that patching alone does no harm', async () => {
    const kind = await simulationWith({ controller: ControllerModel });
    for (let seed = 0; seed < 20; seed += 1) expect(runSeed(seed, kind).error).toBeUndefined();
  });

  it.each(PLANTED_BUGS)(
    'catch one that $does within $seedsMax seeds',
    async ({ seedsMax, ...bug }) => {
      const kind = await simulationWith(bug);
      let error: Error | undefined;
      for (let seed = 0; seed < seedsMax && error === undefined; seed += 1) ({ error } = runSeed(seed, kind));
      expect(error).toBeInstanceOf(Violation);
    },
    120_000,
  );

  it('refuse to plant a bug where the source is not as it was', async () => {
    const patches = [{ file: 'replica', find: 'no such line', instead: '' }];
    await expect(simulationWith({ patches })).rejects.toThrow('replica.ts has 0 places, not one, with: no such line');
  });
});
