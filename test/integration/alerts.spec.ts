import { alertRules, samplesOf } from '@streamline/testing/prometheus/alert-rules';
import { evaluate, selectorsOf } from '@streamline/testing/prometheus/rule-expression';
import { describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/conditions';

/** What Prometheus makes itself, of every scrape. */
const UP = { name: 'up', labels: { job: 'streamline', instance: 'node-1:9094' }, value: 1 };

/** Of nodes with TLS between them: test/process/inter-broker-tls.spec.ts has one. */
const NEEDS_TLS = 'StreamlineCertificateExpires';

async function scrape() {
  const text = await (await fetch(`${inject('http')}/metrics`)).text();
  return { atMs: 0, samples: [UP, ...samplesOf(text, { job: 'streamline', instance: 'node-1:9094' })] };
}

describe('the alerts of deploy/alerts.yml', () => {
  it('read only metrics that a running node tells, with the labels that it gives them', async () => {
    const scraped = await scrape();
    const rules = alertRules().filter(({ name }) => name !== NEEDS_TLS);
    const selectors = rules.flatMap(({ name, expression }) => selectorsOf(expression).map((selector) => ({ name, selector })));
    expect(selectors.length).toBeGreaterThan(8);
    for (const { name, selector } of selectors) {
      const found = evaluate(selector, [scraped]);
      expect(found.size, `${name} reads ${selector.name}, of which the node tells`).toBe(1);
    }
  });

  it('hold none of a healthy node, but that it is alone', async () => {
    const alone = 'StreamlineClusterTooSmall';
    const holding = async (): Promise<string[]> => {
      const history = [await scrape()];
      return alertRules().flatMap(({ name, expression }) => (evaluate(expression, history).size > 0 ? [name] : []));
    };
    // A broker that stood still on a busy machine is fenced for a moment.
    await eventually(`only ${alone} holds`, async () => (await holding()).join() === alone);
  });
});
