import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRetirement, writeRetirement } from './retirement-file';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-retired-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('the file that says that a node has no place in its cluster', () => {
  it('gives back why, and what to do; nothing where it is not there', async () => {
    expect(await readRetirement(directory)).toBeUndefined();
    await writeRetirement(directory, new FormationRefusedError('Node was removed', 'Begin anew.'));
    expect(await readRetirement(directory)).toMatchObject({ message: 'Node was removed', remedy: 'Begin anew.' });
  });

  it.each(['', '{}', '{"formatVersion":2,"problem":"","remedy":""}'])('refuses as well where it is damaged: %s', async (text) => {
    await writeFile(join(directory, 'retired.json'), text);
    await expect(readRetirement(directory)).rejects.toMatchObject({
      exitCode: 12,
      message: expect.stringContaining('is damaged'),
    });
  });
});
