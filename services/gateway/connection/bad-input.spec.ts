import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import { SAMPLE_TOPIC } from '@streamline/testing/gateway/sample-requests';
import { badInputs, isAsExpected, provoke, type BadInput } from '@streamline/testing/kafka-client/bad-input';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { Witness } from '@streamline/testing/kafka-client/witness';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const SEEDS = 400;
const TIMEOUT_MS = 10_000;
const AT_ONCE = 16;
/** Far more than any of these may take, for machines that are busy. */
const LONGEST_WAIT_MS = 5_000;

describe('bad input (the corpus that a live node has to survive as well)', () => {
  let bench: GatewayBench<GatewayRole>;
  let witness: KafkaClient;

  beforeAll(async () => {
    const memory = new MemoryPartitions();
    const port = memory.port();
    bench = await GatewayBench.start(createGatewayRole, {
      cluster: {
        topics: [
          { name: SAMPLE_TOPIC, leaders: [1] },
          { name: '__consumer_offsets', leaders: [1] },
        ],
      },
      // Nobody waits: a mutated max_wait is legal, and not what is looked for here.
      partitions: { fetch: (request, context) => port.fetch({ ...request, maxWaitMs: 0 }, context) },
    });
    witness = await bench.client();
  });
  afterAll(() => bench.close());

  async function outcomes(inputs: readonly BadInput[]): Promise<string[]> {
    const wrong: string[] = [];
    for (let at = 0; at < inputs.length; at += AT_ONCE) {
      const some = inputs.slice(at, at + AT_ONCE);
      const seen = await Promise.all(some.map((input) => provoke(bench.gateway.port, input, TIMEOUT_MS)));
      for (const [i, input] of some.entries()) {
        const outcome = seen[i] ?? 'silent';
        if (!isAsExpected({ ...input, mayWait: false }, outcome)) wrong.push(`${input.name}: ${outcome}`);
      }
      bench.clock.advance(1000);
    }
    return wrong;
  }

  const inputs = badInputs(SEEDS);

  it.each(inputs.filter(({ name }) => !name.includes('seed')).map((input) => [input.name, input] as const))(
    '%s',
    async (_name, input) => {
      expect(await outcomes([input])).toEqual([]);
    },
  );

  it(`${SEEDS} mutated requests are answered or end their connection, and nobody waits for them`, async () => {
    const watching = await Witness.connect(bench.gateway.port);
    expect(await outcomes(inputs.filter(({ name }) => name.includes('seed')))).toEqual([]);
    expect(await watching.stop()).toBeLessThan(LONGEST_WAIT_MS);
    expect(watching.asked).toBeGreaterThan(0);
  });

  it('others did not notice, nothing is held any more, and every reason was logged without being a defect', async () => {
    const answer = await witness.request(metadata, 9, { topics: null });
    expect(answer.topics).toHaveLength(2);
    while (bench.gateway.gauges().connections > 1) await new Promise((resolve) => setImmediate(resolve));
    expect(bench.gateway.gauges()).toMatchObject({ requestBytesInFlight: 0, answerBytesUnsent: 0 });
    expect(bench.gateway.metrics.closes().get('internal')).toBeUndefined();
    expect(bench.lines.filter(({ event }) => event === 'connection-failed')).toEqual([]);
    expect(bench.lines.filter(({ event }) => event === 'connection-closed-violation').length).toBeGreaterThan(20);
  });

  it('memory stays bounded while hundreds of connections claim 100 MiB each', async () => {
    const claim = inputs.find(({ name }) => name.includes('100 MiB'));
    const before = process.memoryUsage().arrayBuffers;
    const clients = [];
    for (let i = 0; i < 300; i++) {
      const client = await bench.client();
      client.sendRaw(claim?.bytes ?? Buffer.alloc(0));
      clients.push(client);
    }
    await witness.request(metadata, 9, { topics: null });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    for (const client of clients) await client.close();
  });
});
