import { wholeNumber } from './whole-number';

export interface StorySeeds {
  readonly first: number;
  readonly count: number;
  /** `first` to `first + count - 1`. */
  readonly all: readonly number[];
}

/**
 * Which seeds a spec tells its stories with: `usual` many from 0 on, `thorough` many where STORY_SEEDS=thorough (`npm test`).
 * STORY_SEEDS=20000 makes a long run of any spec; STORY_FIRST_SEED=899 begins there, with STORY_SEEDS=1 to repeat a story.
 *
 * @throws RangeError that names the variable
 */
export function storySeeds(
  { usual, thorough }: { readonly usual: number; readonly thorough: number },
  env: Readonly<Record<string, string | undefined>> = process.env,
): StorySeeds {
  const { STORY_SEEDS: asked, STORY_FIRST_SEED: firstAsked } = env;
  const count = asked === 'thorough' ? thorough : wholeNumber('STORY_SEEDS', asked, usual, 1);
  const first = wholeNumber('STORY_FIRST_SEED', firstAsked, 0, 0);
  return { first, count, all: Array.from({ length: count }, (_, at) => first + at) };
}
