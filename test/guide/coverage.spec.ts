import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY } from '../kit/command';
import { SENTENCES, type Proof, type Sentence } from './sentences';

const DEVIATIONS = 'docs/guide-deviations.md';
const TITLE = /\b(?:it|describe)(?:\.\w+(?:\([^)]*\))?)*\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g;

function read(file: string): string {
  return readFileSync(path.join(REPOSITORY, file), 'utf8');
}

/** Titles of the tests and their groups in a file, unescaped. */
function titlesIn(file: string): string[] {
  return [...read(file).matchAll(TITLE)].map(([, , title = '']) => title.replace(/\\(.)/g, '$1'));
}

function isIn(file: string, quote: string): boolean {
  return existsSync(path.join(REPOSITORY, file)) && titlesIn(file).some((title) => title.includes(quote));
}

/** Why a proof does not prove its sentence; undefined: it does. */
function fault(quote: string, proof: Proof): string | undefined {
  switch (proof.kind) {
    case 'guide':
      return isIn(`test/guide/${proof.file}`, quote) ? undefined : `no title of test/guide/${proof.file} quotes it`;
    // config-reference.spec.ts makes its tests of these.
    case 'setting':
      return undefined;
    case 'spec': {
      const [file = '', title = ''] = proof.at.split('#');
      return isIn(file, title) ? undefined : `there is no ${proof.at}`;
    }
    case 'deviation': {
      if (!read(DEVIATIONS).includes(`\n## ${proof.heading}\n`)) return `${DEVIATIONS} has no heading '${proof.heading}'`;
      return proof.file === undefined ? undefined : fault(quote, { kind: 'guide', file: proof.file });
    }
  }
}

describe('the clustering guide', () => {
  it('has a test, or an entry among the deviations, for each of its sentences', () => {
    const faults = SENTENCES.flatMap(({ section, quote, proof }) => {
      const wrong = fault(quote, proof);
      return wrong === undefined ? [] : [`${section}: "${quote}": ${wrong}`];
    });
    expect(faults).toEqual([]);
  });

  it('has every sentence once', () => {
    const keys = SENTENCES.map(({ section, quote }) => `${section}: ${quote}`);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  it('has no deviation that no sentence names', () => {
    const headings = [...read(DEVIATIONS).matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
    const named = SENTENCES.flatMap(({ proof }: Sentence) => (proof.kind === 'deviation' ? [proof.heading] : []));
    expect(headings.filter((heading) => !named.includes(heading))).toEqual([]);
  });
});
