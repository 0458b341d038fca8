import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ALL_SETTINGS } from '@streamline/platform/config/schema';
import { alertRules } from '@streamline/testing/prometheus/alert-rules';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = readdirSync(join(ROOT, 'docs/runbook')).filter((name) => /^\d/.test(name));

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** What stands in backticks, with line breaks of the page as spaces. */
function quoted(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, inner = '']) => inner.replace(/\s+/g, ' '));
}

/** Programs of libs and services, without their specs. */
function sources(): string {
  const files = ['libs', 'services'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  const programs = files.filter((name) => /\.ts$/.test(name) && !/\.spec\.ts$|generated|testing/.test(name));
  return programs.map(read).join('\n');
}

describe('the pages of docs/runbook', () => {
  let programs: string;
  let metrics: string;
  beforeAll(() => {
    programs = sources();
    metrics = read('docs/metrics.md');
  });

  it('are five, and listed', () => {
    expect(PAGES).toHaveLength(5);
    for (const page of PAGES) expect(read('docs/runbook/README.md')).toContain(`(${page})`);
  });

  it.each(PAGES)('%s quotes metrics, alerts, settings and log lines that there are', (page) => {
    const text = read(`docs/runbook/${page}`);
    const words = quoted(text);
    for (const name of words.flatMap((word) => /^streamline_\w+/.exec(word)?.[0] ?? [])) expect(metrics).toContain(`\`${name}\``);
    const alerts = alertRules().map(({ name }) => name);
    for (const name of words.filter((word) => /^Streamline[A-Z]\w+$/.test(word))) expect(alerts).toContain(name);
    const settings = new Set<string>(ALL_SETTINGS.map(({ name }) => name));
    for (const name of words.filter((word) => /_(ms|addr|dir)$/.test(word))) expect([...settings]).toContain(name);
    const [, log = ''] = /## What its log says\n([^]*?)\n## /.exec(text) ?? [];
    const lines = quoted(log).filter((word) => word.includes(' '));
    for (const line of lines) expect(programs.includes(line), line).toBe(true);
    const reasons = words.filter((word) => /^(No leader|Node is)/.test(word));
    expect(reasons.length + lines.length).toBeGreaterThan(0);
    for (const reason of reasons) expect(programs.includes(reason), reason).toBe(true);
  });
});
