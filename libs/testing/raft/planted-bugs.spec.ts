import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS, nodeWith } from './planted-bugs';
import { runSeed } from './run-seed';
import { Violation } from './violation';

describe('Raft simulations, with the assertions of the core off', () => {
  it('go well with a core without a bug, so that patching alone does no harm', async () => {
    const kind = await nodeWith({});
    for (let seed = 0; seed < 20; seed += 1) expect((await runSeed(seed, kind)).error).toBeUndefined();
  });

  it.each(PLANTED_BUGS)('catch a node that $does within $seedsMax seeds', async ({ seedsMax, ...bug }) => {
    const kind = await nodeWith(bug);
    let error: Error | undefined;
    for (let seed = 0; seed < seedsMax && error === undefined; seed += 1) ({ error } = await runSeed(seed, kind));
    expect(error).toBeInstanceOf(Violation);
  });

  it('refuse to plant a bug where the source is not as it was', async () => {
    const patches = [{ file: 'raft', find: 'no such line', instead: '' }];
    await expect(nodeWith({ patches })).rejects.toThrow('raft.ts has 0 places, not one, with: no such line');
  });
});
