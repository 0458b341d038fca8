import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import { OwnAddressWatch } from './own-address-watch';

const SELF = { nodeId: 2 as NodeId, directoryId: 'disk' as DirectoryId, incarnationId: 'now' };
const LONG_MS = 60_000;

/** A node, and who answers at its address; nobody at first. */
class Bench {
  readonly clock = new VirtualClock();
  answerer: typeof SELF | undefined;
  readonly learned: unknown[] = [];
  asked = 0;
  readonly watch = new OwnAddressWatch({
    clock: this.clock,
    self: SELF,
    address: 'two:9093',
    peers: {
      askMembership: (address, ask) => {
        expect(address).toBe('two:9093');
        this.asked += 1;
        const { answerer } = this;
        if (answerer === undefined) return Promise.reject(new PortError('unavailable', 'connection refused'));
        return ask(fakePort<MembershipPort>({ describeNode: () => Promise.resolve(answerer as never) }));
      },
    },
    onCopy: () => this.learned.push('copy'),
    onOther: (nodeId) => this.learned.push(nodeId),
  });

  async later(): Promise<void> {
    for (let ms = 0; ms < LONG_MS; ms += 1_000) {
      this.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('OwnAddressWatch', () => {
  it('lets a node go on that finds itself, or nobody, and goes on asking', async () => {
    for (const answerer of [SELF, undefined]) {
      const bench = new Bench();
      bench.answerer = answerer;
      expect(await bench.watch.start()).toBe(true);
      await bench.later();
      expect(bench.learned).toEqual([]);
      expect(bench.asked).toBeGreaterThan(3);
      bench.watch.stop();
      const { asked } = bench;
      await bench.later();
      expect(bench.asked).toBe(asked);
    }
  });

  it('stops a node at its start that finds another process on its directory, and does not ask again', async () => {
    const bench = new Bench();
    bench.answerer = { ...SELF, incarnationId: 'before' };
    expect(await bench.watch.start()).toBe(false);
    await bench.later();
    expect([bench.learned, bench.asked]).toEqual([['copy'], 1]);
  });

  it('stops the original as well, once its address leads to the copy', async () => {
    const bench = new Bench();
    bench.answerer = SELF;
    await bench.watch.start();
    bench.answerer = { ...SELF, incarnationId: 'later' };
    await bench.later();
    expect(bench.learned).toEqual(['copy']);
  });

  it('tells once of each other node that others reach there, and lets this one go on', async () => {
    const bench = new Bench();
    bench.answerer = { ...SELF, nodeId: 3 as NodeId, directoryId: 'its' as DirectoryId, incarnationId: 'its' };
    expect(await bench.watch.start()).toBe(true);
    await bench.later();
    bench.answerer = { ...bench.answerer, nodeId: 4 as NodeId };
    await bench.later();
    expect(bench.learned).toEqual([3, 4]);
  });
});
