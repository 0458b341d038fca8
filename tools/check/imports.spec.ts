import { describe, expect, it } from 'vitest';
import { fingerprints, importsOf } from './imports';
import type { Tree } from './tree';

const FILES: Readonly<Record<string, string>> = {
  'libs/core/log/a.ts': "import type { B } from './b';\nexport * from '../types/ids';",
  'libs/core/log/b.ts': "import { C } from '@streamline/core/types/c';",
  'libs/core/types/c.ts': 'export type C = number;',
  'libs/core/types/ids.ts': 'export type Id = string;',
  'services/admin/d.ts': "import { late } from '@streamline/services/node/late';\nimport 'reflect-metadata';",
  'services/node/late.ts': "export const late = () => import('../admin/d');",
  'tools/rule.spec.ts': "import { rule } from './rule.js';",
  'tools/rule.js': 'export const rule = 1;',
  'tools/rule.d.ts': 'export const rule: number;',
};

function treeOf(change: Readonly<Record<string, string>> = {}): Tree {
  return new Map(Object.entries({ ...FILES, ...change }).map(([file, text]) => [file, Buffer.from(text)]));
}

describe('imports of a file', () => {
  it('are those of the tree, by whatever name', () => {
    expect(importsOf(treeOf(), 'libs/core/log/a.ts')).toEqual(['libs/core/log/b.ts', 'libs/core/types/ids.ts']);
    expect(importsOf(treeOf(), 'libs/core/log/b.ts')).toEqual(['libs/core/types/c.ts']);
    expect(importsOf(treeOf(), 'services/admin/d.ts')).toEqual(['services/node/late.ts']);
    expect(importsOf(treeOf(), 'services/node/late.ts')).toEqual(['services/admin/d.ts']);
    expect(importsOf(treeOf(), 'tools/rule.spec.ts')).toEqual(['tools/rule.js', 'tools/rule.d.ts']);
  });
});

describe('the fingerprint of a file', () => {
  const changedBy = (change: Readonly<Record<string, string>>, base = 'base'): string[] => {
    const files = Object.keys(FILES);
    const before = fingerprints(treeOf(), files, 'base');
    const after = fingerprints(treeOf(change), files, base);
    return files.filter((file) => before.get(file) !== after.get(file));
  };

  it('changes with what it imports, directly or not, and with nothing else', () => {
    expect(changedBy({ 'libs/core/types/c.ts': 'export type C = string;' })).toEqual([
      'libs/core/log/a.ts',
      'libs/core/log/b.ts',
      'libs/core/types/c.ts',
    ]);
    expect(changedBy({ 'libs/core/log/a.ts': '' })).toEqual(['libs/core/log/a.ts']);
    expect(changedBy({ 'libs/core/log/new.ts': '' })).toEqual([]);
  });

  it('follows imports that go round', () => {
    expect(changedBy({ 'services/node/late.ts': 'export const late = 1;' })).toEqual([
      'services/admin/d.ts',
      'services/node/late.ts',
    ]);
  });

  it('changes where a file comes to be that an import means', () => {
    expect(changedBy({ 'libs/core/log/b/index.ts': 'export type B = 1;' })).toEqual(['libs/core/log/a.ts']);
  });

  it('changes for all with what all depend on', () => {
    expect(changedBy({}, 'other')).toEqual(Object.keys(FILES));
  });
});
