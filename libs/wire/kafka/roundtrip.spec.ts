import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogue } from './catalogue';
import { messageArbitrary } from './proof/arbitrary';

const SEED = 440;

describe('any value', () => {
  it.each([...catalogue.values()].map((message) => [message.name, message] as const))(
    'of %s comes back as it was written',
    (_, message) => {
      for (let version = message.versions.min; version <= message.versions.max; version++) {
        const property = fc.property(messageArbitrary(message, version), (value) => {
          expect(message.decode(version, message.encode(version, value))).toStrictEqual(value);
        });
        fc.assert(property, { seed: SEED + version, numRuns: 12 });
      }
    },
  );
});
