import { describe, expect, it } from 'vitest';
import { storySeeds } from './story-seeds';

const OF_A_SPEC = { usual: 3, thorough: 5 };

describe('the seeds of stories', () => {
  it.each([
    [{}, [0, 1, 2]],
    [{ STORY_SEEDS: 'thorough' }, [0, 1, 2, 3, 4]],
    [{ STORY_SEEDS: '1', STORY_FIRST_SEED: '899' }, [899]],
    [{ STORY_FIRST_SEED: '7' }, [7, 8, 9]],
  ])('for %j are %j', (env, seeds) => {
    expect(storySeeds(OF_A_SPEC, env).all).toEqual(seeds);
  });

  it.each([{ STORY_SEEDS: 'many' }, { STORY_SEEDS: '0' }, { STORY_FIRST_SEED: '-1' }])('refuses %j', (env) => {
    expect(() => storySeeds(OF_A_SPEC, env)).toThrow(/STORY_\w+=.*: a whole number of at least/);
  });
});
