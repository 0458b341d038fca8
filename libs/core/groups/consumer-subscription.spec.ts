import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { subscribedTopicsOf } from './consumer-subscription';
import { subscription } from '@streamline/testing/groups/group-story';

describe('subscribedTopicsOf', () => {
  it('reads the topics and leaves what later versions append', () => {
    const v0 = subscription(['orders', 'größe']);
    const later = Uint8Array.from([...v0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    later[1] = 3;
    expect(subscribedTopicsOf(v0)).toEqual(['orders', 'größe']);
    expect(subscribedTopicsOf(later)).toEqual(['orders', 'größe']);
  });

  it('never fails on bytes that are no subscription', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void subscribedTopicsOf(bytes)));
    for (let length = 0; length < 13; length += 1) {
      expect(subscribedTopicsOf(subscription(['orders']).subarray(0, length))).toBeUndefined();
    }
    expect(subscribedTopicsOf(Uint8Array.from([0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]))).toBeUndefined();
    expect(subscribedTopicsOf(Uint8Array.from([0, 0, 0, 0, 0, 1, 0, 1, 0xff]))).toBeUndefined();
  });
});
