import { describe, expect, it } from 'vitest';
import { loadVectors } from '../../../test/fixtures/kafka-vectors/vectors';
import { catalogue } from './catalogue';
import { completed } from './proof/completed';
import type { AnyMessage } from './schema/message';

const vectors = loadVectors();

function messageOf(name: string): AnyMessage {
  const message = catalogue.get(name);
  if (message === undefined) throw new Error(`no message is called ${name}`);
  return message;
}

describe('the wire vectors of Kafka 4.4', () => {
  it('are all there, for every message in every version', () => {
    expect(vectors).toHaveLength(1953);
    const expected = [...catalogue.values()].flatMap(({ name, versions }) => {
      const count = versions.max - versions.min + 1;
      return Array.from({ length: count }, (_, k) => `${name} v${versions.min + k}`);
    });
    expect([...new Set(vectors.map(({ name, version }) => `${name} v${version}`))].sort()).toEqual(expected.sort());
  });

  it.each([...catalogue.keys()])('%s reads and writes as in Kafka', (name) => {
    const message = messageOf(name);
    for (const vector of vectors.filter((v) => v.name === name)) {
      const bytes = Buffer.from(vector.hex, 'hex');
      const label = `${name} v${vector.version} ${vector.case}`;
      const value = completed(message.fields, vector.value);
      expect(message.decode(vector.version, bytes), label).toStrictEqual(value);
      expect(message.encode(vector.version, value).toString('hex'), label).toBe(vector.hex);
    }
  });
});
