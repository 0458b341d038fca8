import { describe, expect, it } from 'vitest';
import { resolveConfig } from '@streamline/platform/config/resolve-config';
import { kafkaConfigsOf } from './static-configs';

describe('kafkaConfigsOf', () => {
  it('tells settings by their Kafka names, but none that is the default', () => {
    const given = [
      ['offsets_topic_num_partitions', 7],
      ['group_max_size', 2_147_483_647],
    ] as const;
    const layer = new Map(given.map(([name, raw]) => [name, { raw, origin: { kind: 'default' as const } }]));
    const configs = kafkaConfigsOf(resolveConfig([layer]).config);
    expect(configs.get('offsets.topic.num.partitions')).toBe('7');
    expect(configs.get('listeners')).toBe('PLAINTEXT://0.0.0.0:9092');
    expect(configs.has('group.max.size')).toBe(false);
    expect(configs.has('auto.create.topics.enable')).toBe(false);
  });
});
