import { describe, expect, it } from 'vitest';
import { GatewayMetrics, latencyBoundsMs } from './gateway-metrics';

describe('GatewayMetrics', () => {
  it('counts a latency under the first bound that is not below it', () => {
    for (const latencyMs of [0, 0.1, 0.125, 0.126, 0.25, 0.2501, 1, 7.99, 8, 8.01, 1000, 1e12]) {
      const metrics = new GatewayMetrics();
      metrics.requestDone(0, latencyMs);
      const counts = metrics.apis()[0]?.latencyCounts ?? [];
      const expected = latencyBoundsMs.findIndex((bound) => latencyMs <= bound);
      expect([latencyMs, counts.indexOf(1)]).toEqual([latencyMs, expected === -1 ? latencyBoundsMs.length - 1 : expected]);
    }
  });

  it('counts what is no API under one key, so that clients cannot grow it', () => {
    const metrics = new GatewayMetrics();
    for (const key of [-1, 127, 128, 32_767, -32_768]) metrics.requestDone(key, 1);
    metrics.errorAnswered(3, 5);
    metrics.errorAnswered(3, 5);
    metrics.connectionClosed('idle');
    expect(metrics.apis().map(({ apiKey, requests }) => [apiKey, requests])).toEqual([[127, 5]]);
    expect(metrics.errors()).toEqual([{ apiKey: 3, errorCode: 5, count: 2 }]);
    expect(metrics.closes().get('idle')).toBe(1);
  });
});
