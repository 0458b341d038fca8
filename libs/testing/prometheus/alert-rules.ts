import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod/mini';
import { durationMs, type Expression, parseExpression, type Sample } from './rule-expression';

const RULES = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: z.optional(z.string()),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string(), runbook: z.optional(z.string()) }),
        }),
      ),
    }),
  ),
});

export interface AlertRule {
  readonly name: string;
  readonly expression: Expression;
  readonly forMs: number;
  /** Path of its page in the repository. */
  readonly runbook: string | undefined;
}

const FILE = join(import.meta.dirname, '../../../deploy/alerts.yml');

/** The rules of deploy/alerts.yml; fails where something in it is unknown to Prometheus, or to our expressions. */
export function alertRules(): readonly AlertRule[] {
  const { groups } = RULES.parse(parse(readFileSync(FILE, 'utf8')));
  return groups.flatMap(({ rules }) =>
    rules.map((rule) => ({
      name: rule.alert,
      expression: parseExpression(rule.expr),
      forMs: rule.for === undefined ? 0 : durationMs(rule.for),
      runbook: rule.annotations.runbook,
    })),
  );
}

/** Samples of Prometheus' text format, with the labels that a scrape adds. */
export function samplesOf(text: string, scraped: Readonly<Record<string, string>> = {}): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) return [];
    const [, name = '', inner = '', value] = match;
    const pairs = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', given = '']) => [label, given]);
    return [{ name, labels: { ...(Object.fromEntries(pairs) as Record<string, string>), ...scraped }, value: Number(value) }];
  });
}
