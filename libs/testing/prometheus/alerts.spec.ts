import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MetadataIndex, NodeId } from '@streamline/core/types/ids';
import { formatFamilies } from '@streamline/platform/observability/exposition';
import { controllerSource, type CountedStatus } from '@streamline/platform/observability/controller-source';
import { gauge, type MetricFamily } from '@streamline/platform/observability/metric-family';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { alertRules, samplesOf } from './alert-rules';
import { durationMs, evaluate, firesAtMs, parseExpression, type Sample, type Scrape, selectorsOf } from './rule-expression';

const SCRAPE_MS = 5_000;
const DAY_SECONDS = 86_400;
const rules = alertRules();

interface State extends Partial<CountedStatus> {
  readonly appliedIndex?: number;
  readonly fenced?: number;
  readonly leaderless?: number;
  readonly healthy?: number;
  readonly member?: number;
  readonly up?: number;
  /** In the seconds of the story, which begins at 0. */
  readonly certificateExpiry?: number;
}

const HEALTHY: CountedStatus = {
  nodeState: 'Follower',
  leaderId: 2 as NodeId,
  term: 3,
  committedIndex: 500 as MetadataIndex,
  voters: [1, 2, 3] as NodeId[],
  learners: [],
};

function partition(leader: number | undefined) {
  return { leader, replicas: [1], isr: [1], addingReplicas: [], removingReplicas: [], failedReplicas: [] };
}

/** What a scrape of a node in a state finds: the families that nodes make, with the labels that Prometheus adds. */
function scraped(state: State): readonly Sample[] {
  const { appliedIndex = 500, fenced = 0, leaderless = 0, healthy = 1, member = 1, up = 1 } = state;
  const image = {
    index: appliedIndex,
    brokers: new Map([1, 2, 3].map((id) => [id, { fenced: id <= fenced }])),
    topics: new Map([['t', { partitions: Array.from({ length: 4 }, (_, at) => partition(at < leaderless ? undefined : 1)) }]]),
  };
  const source = controllerSource({ status: { ...HEALTHY, ...state } }, { image } as unknown as MetadataReplica, () => 0);
  const { certificateExpiry } = state;
  const expiry =
    certificateExpiry === undefined
      ? []
      : [gauge('streamline_inter_broker_certificate_expiry_timestamp_seconds', '', certificateExpiry)];
  const own = [
    ...expiry,
    gauge('streamline_node_healthy', '', healthy),
    gauge('streamline_node_member', '', member),
    gauge('up', '', up),
  ];
  const families = [...(source.collect() as readonly MetricFamily[]), ...own];
  return samplesOf(formatFamilies(families), { job: 'streamline', instance: 'node-1:9094' });
}

/** A node that is well for a minute and then, for five, as `states` say: one state a scrape, again and again. */
function story(...states: readonly State[]): { readonly history: readonly Scrape[]; readonly troubleMs: number } {
  const well = Array.from({ length: 12 }, () => ({}));
  const trouble = Array.from({ length: 60 }, (_, at) => states[at % states.length] ?? {});
  const history = [...well, ...trouble].map((state, at) => ({ atMs: at * SCRAPE_MS, samples: scraped(state) }));
  return { history, troubleMs: well.length * SCRAPE_MS };
}

/** How long after the trouble began each alert that fires at all does, in ms. */
function fired(...states: readonly State[]): Record<string, number> {
  const { history, troubleMs } = story(...states);
  const entries = rules.map(({ name, expression, forMs }) => [name, firesAtMs(expression, forMs, history)] as const);
  return Object.fromEntries(entries.flatMap(([name, atMs]) => (atMs === undefined ? [] : [[name, atMs - troubleMs]])));
}

describe('the alerts of deploy/alerts.yml', () => {
  it('have names of their own, and runbook pages that exist', () => {
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
    const pages = rules.flatMap(({ runbook }) => runbook ?? []);
    expect(pages).toHaveLength(5);
    for (const page of pages) expect(existsSync(join(import.meta.dirname, '../../..', page)), page).toBe(true);
  });

  it('are silent while all is well', () => {
    expect(fired({})).toEqual({});
  });

  it.each([
    ['"Alert if `false` for > 30s"', { healthy: 0 }, { StreamlineNodeUnhealthy: 30_000 }],
    ['"Alert if `null` for > 10s"', { leaderId: undefined }, { StreamlineNoLeader: 10_000 }],
    [
      '"Alert if `Candidate` for > 30s (stuck election)"',
      { nodeState: 'Candidate' as const },
      { StreamlineElectionStuck: 30_000 },
    ],
    ['"Alert if difference > 100"', { appliedIndex: 399 }, { StreamlineStateMachineLags: 0 }],
    ['"Alert if < expected quorum size"', { voters: [1, 2] as NodeId[] }, { StreamlineClusterTooSmall: 60_000 }],
    ['a node that does not answer', { up: 0 }, { StreamlineNodeDown: 30_000 }],
    ['a node that cannot join', { member: 0 }, { StreamlineNodeCannotJoin: 60_000 }],
    ['a broker that is gone', { fenced: 1 }, { StreamlineBrokersFenced: 60_000 }],
    ['partitions without a leader', { leaderless: 2 }, { StreamlinePartitionsLeaderless: 60_000 }],
  ])('%s', (_, state, expected) => {
    expect(fired(state)).toEqual(expected);
  });

  it('do not fire at the threshold itself, nor for what passes in time', () => {
    expect(fired({ appliedIndex: 400 })).toEqual({});
    expect(fired({ voters: [1, 2] as NodeId[], learners: [3] as NodeId[] })).toEqual({});
    expect(fired({ healthy: 0 }, { healthy: 0 }, { healthy: 1 })).toEqual({});
    expect(fired({ leaderId: undefined }, { leaderId: undefined }, {})).toEqual({});
  });

  it('tell of a certificate 14 days before it expires, for as long as it is not renewed; and of none where there is no TLS', () => {
    const certificateExpiry = 14 * DAY_SECONDS + 65;
    const history = Array.from({ length: 300 }, (_, at) => ({ atMs: at * SCRAPE_MS, samples: scraped({ certificateExpiry }) }));
    const firing = rules.flatMap(({ name, expression, forMs }) => {
      const atMs = firesAtMs(expression, forMs, history);
      return atMs === undefined ? [] : [[name, atMs]];
    });
    expect(firing).toEqual([['StreamlineCertificateExpires', 70_000 + 600_000]]);
    expect(fired({ certificateExpiry: 15 * DAY_SECONDS })).toEqual({});
  });

  it('tell a cluster that elects again and again from one that elected once, or that a node has just joined', () => {
    expect(fired({ term: 57 })).toEqual({});
    expect(Object.keys(fired({ term: 4 }, { term: 5 }, { term: 6 }, { term: 7 }))).toEqual(['StreamlineLeaderChangesOften']);
  });
});

describe('the expressions of rules', () => {
  const history = [
    { atMs: 0, samples: samplesOf('a{x="1"} 1\na{x="2"} 5\nb{x="1"} 3\n') },
    { atMs: 60_000, samples: samplesOf('a{x="1"} 2\na{x="2"} 5\nb{x="1"} 3\nc{y="q\\"{}"} +1e2\n') },
  ];
  const values = (text: string) => [...evaluate(parseExpression(text), history).values()].map(({ value }) => value);

  it.each([
    ['a', [2, 5]],
    ['a{x="2"}', [5]],
    ['a > 2', [5]],
    ['a - b == -1', [2 - 3]],
    ['(a + b) >= 5', [5]],
    ['a - b - b', [-4]],
    ['max by (z) (a)', [5]],
    ['changes(a[5m])', [1, 0]],
    ['changes(a[1m])', [0, 0]],
    ['c', [100]],
    ['c - time()', [40]],
    ['a < time()', [2, 5]],
    ['nothing < 5', []],
  ])('%s', (text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  it.each(['sum(a)', 'a and b', 'rate(a[5m])', 'a == ', 'a{x=~"1"}', 'a > 1 2', 'a[5x]'])('refuses %s', (text) => {
    expect(() => parseExpression(text)).toThrow();
  });

  it('names what it reads, and knows durations', () => {
    expect(selectorsOf(parseExpression('max by (j) (a{x="1"} + b) < 3'))).toMatchObject([
      { name: 'a', labels: { x: '1' } },
      { name: 'b' },
    ]);
    expect(['30s', '15m', '1h'].map(durationMs)).toEqual([30_000, 900_000, 3_600_000]);
    expect(() => durationMs('soon')).toThrow('"soon" is no duration');
  });
});
