import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** With `REWRITE_TRANSCRIPTS=1` what happened is written into the files; read the diff. */
const REWRITES = process.env['REWRITE_TRANSCRIPTS'] === '1';

/** What a transcript is about, as it was at its beginning. */
export interface Story {
  /** Carries out a command; returns the lines that it makes visible. */
  run(command: string): readonly string[];
}

/** Specs for the transcripts of a folder, of which there are `filesMin` or more: each tells what a fresh story really does. */
export function describeTranscripts(title: string, folder: string, filesMin: number, newStory: () => Story): void {
  describe(title, () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

    it('are there', () => {
      expect(files.length).toBeGreaterThanOrEqual(filesMin);
    });

    for (const file of files) {
      it(`tell the truth: ${file.replace('.txt', '')}`, () => {
        const name = path.join(folder, file);
        const text = readFileSync(name, 'utf8');
        const played = perform(text, newStory());
        if (REWRITES) writeFileSync(name, played);
        else expect(played).toBe(text);
      });
    }
  });
}

/** Runs a transcript: blocks of comment and command lines, `----`, output lines, an empty line. Returns it with the real output. */
function perform(text: string, story: Story): string {
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
