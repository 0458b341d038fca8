import { describe, expect, it } from 'vitest';
import { freshSeeds } from './fresh-seeds';

async function seedsOf(env: Readonly<Record<string, string>>): Promise<number[]> {
  const seeds: number[] = [];
  await freshSeeds('DATA_SIM_SECONDS', 0, env).runAll(async (seed) => {
    seeds.push(seed);
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  return seeds;
}

describe('fresh seeds', () => {
  it('begin where SIM_BASE says, one after the other, until the time is over', async () => {
    const seeds = await seedsOf({ SIM_BASE: '700', DATA_SIM_SECONDS: '1' });
    expect(seeds.length).toBeGreaterThan(1);
    expect(seeds).toEqual(seeds.map((_, at) => 700 + at));
  });

  it('begin somewhere else each time where it is not set', async () => {
    expect(await seedsOf({})).not.toEqual(await seedsOf({}));
  });

  it('run for no time unless they are given some', () => {
    expect(freshSeeds('SIM_SECONDS', 0, { DATA_SIM_SECONDS: '9' }).seconds).toBe(0);
    expect(freshSeeds('SIM_SECONDS', 2, {}).seconds).toBe(2);
  });

  it('tell which of them failed, so that what went before it can be run again as well', async () => {
    const { runAll } = freshSeeds('SIM_SECONDS', 60, { SIM_BASE: '700' });
    const run = (seed: number): Promise<void> => (seed === 702 ? Promise.reject(new Error('lost')) : Promise.resolve());
    await expect(runAll(run)).rejects.toThrow('number 3 of the seeds from SIM_BASE=700 on: Error: lost');
  });

  it.each([{ SIM_BASE: 'x' }, { SIM_SECONDS: '-1' }, { SIM_SECONDS: '0.5' }])('refuse %j', (env) => {
    expect(() => freshSeeds('SIM_SECONDS', 0, env)).toThrow(/SIM_\w+=.*: a whole number of at least 0/);
  });
});
