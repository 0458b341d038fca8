import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { GroupStory } from '@streamline/testing/groups/group-story';

const FOLDER = path.join(path.dirname(fileURLToPath(import.meta.url)), 'transcripts');
/** `REWRITE_TRANSCRIPTS=1 npm run unit -- libs/core/groups` writes what happened into the files; read the diff. */
const REWRITES = process.env['REWRITE_TRANSCRIPTS'] === '1';

/** Runs a transcript: blocks of comment and command lines, `----`, output lines, an empty line. Returns it with the real output. */
function perform(text: string): string {
  const story = new GroupStory();
  const blocks = text
    .trim()
    .split(/\n\n+/)
    .map((block) => block.split('\n----')[0] ?? '');
  const played = blocks.map((head) => {
    const commands = head.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    if (commands.length === 0) return head;
    const output = commands.flatMap((line) => story.run(line));
    return [head, '----', ...(output.length === 0 ? ['ok'] : output)].join('\n');
  });
  return `${played.join('\n\n')}\n`;
}

describe('transcripts of consumer groups', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  it('are there', () => {
    expect(files.length).toBeGreaterThanOrEqual(8);
  });

  for (const file of files) {
    it(`tell the truth: ${file.replace('.txt', '')}`, () => {
      const name = path.join(FOLDER, file);
      const text = readFileSync(name, 'utf8');
      const played = perform(text);
      if (REWRITES) writeFileSync(name, played);
      else expect(played).toBe(text);
    });
  }
});
