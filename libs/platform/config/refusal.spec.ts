import { describe, expect, it } from 'vitest';
import { type ConfigLayer, resolveConfig } from './resolve-config';
import type { SettingName } from './schema';

function layerOf(name: SettingName, raw: unknown): ConfigLayer {
  return new Map([[name, { raw, origin: { kind: 'flag', flag: `--${name}` } }]]);
}

describe('values without an effect', () => {
  it('takes one controller address and refuses several', () => {
    const one = resolveConfig([layerOf('controller_addrs', ['a:9093'])]);
    const two = resolveConfig([layerOf('controller_addrs', ['a:9093', 'b:9093'])]);
    expect(one.problems).toEqual([]);
    expect(two.problems.map(({ subject, message }) => [subject, message])).toEqual([
      ['controller_addrs', expect.stringMatching(/Name one: a process asks the controller of its own node/)],
    ]);
  });
});
