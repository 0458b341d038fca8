import { describe, expect, it } from 'vitest';
import { PLANTED_DATA_BUGS, dataRunWith } from './planted-bugs';
import { runDataSeed } from './run-seed';

describe('simulations of the whole data plane, with the assertions of its cores off', () => {
  it('go well with code without a bug, so that patching alone does no harm', async () => {
    const run = await dataRunWith({ patches: [], plan: undefined });
    for (let seed = 0; seed < 2; seed += 1) expect((await runDataSeed(seed, run)).error).toBeUndefined();
  }, 120_000);

  it.each(PLANTED_DATA_BUGS)(
    'catch a node that $does within $seedsMax seeds from $from on',
    async ({ seedsMax, from, ...bug }) => {
      const run = await dataRunWith(bug);
      let error: Error | undefined;
      for (let at = 0; at < seedsMax && error === undefined; at += 1) ({ error } = await runDataSeed(from + at, run));
      // A Violation, or an error of the code that has the bug.
      expect(error).toBeInstanceOf(Error);
    },
    300_000,
  );
});
