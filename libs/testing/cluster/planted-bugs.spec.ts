import { describe, expect, it } from 'vitest';
import { Violation } from '@streamline/testing/raft/violation';
import { PLANTED_CLUSTER_BUGS, clusterCodeWith } from './planted-bugs';
import { runClusterSeed } from './run-seed';

describe('simulations of the whole controller, with the assertions of its core off', () => {
  it('go well with code without a bug, so that patching alone does no harm', async () => {
    const code = await clusterCodeWith({ patches: [] });
    for (let seed = 0; seed < 3; seed += 1) expect((await runClusterSeed(seed, code)).error).toBeUndefined();
  }, 120_000);

  it.each(PLANTED_CLUSTER_BUGS)(
    'catch a controller that $does within $seedsMax seeds from $from on',
    async ({ seedsMax, from, ...bug }) => {
      const code = await clusterCodeWith(bug);
      let error: Error | undefined;
      for (let at = 0; at < seedsMax && error === undefined; at += 1) ({ error } = await runClusterSeed(from + at, code));
      expect(error).toBeInstanceOf(Violation);
    },
    300_000,
  );
});
