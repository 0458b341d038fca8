import { describe, expect, it } from 'vitest';
import type { ClusterId, DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import { SILENT } from '@streamline/testing/partitions/host-bench';
import { ScriptedController } from '@streamline/testing/partitions/scripted-controller';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { BrokerSession } from './broker-session';

const SESSION_MS = 10_000;
/** Less the hundredth that clocks may differ by. */
const RELIED_ON_MS = 9_900;

class Bench {
  readonly clock = new VirtualClock();
  readonly controller = new ScriptedController();
  readonly session: BrokerSession;
  appliedIndex = 0;
  endsMs = -Infinity;

  constructor() {
    this.session = new BrokerSession({
      nodeId: 1 as NodeId,
      incarnationId: 'incarnation-1',
      clusterId: 'C' as ClusterId,
      directoryId: 'D' as DirectoryId,
      listeners: [],
      rack: undefined,
      controller: this.controller.asPort(),
      clock: this.clock,
      random: new SeededRandom(1),
      log: SILENT,
      sessionTimeoutMs: () => SESSION_MS,
      appliedIndex: () => this.appliedIndex as MetadataIndex,
      mayHeartbeat: () => true,
      onSession: (endsMs) => (this.endsMs = endsMs),
    });
  }

  async begin(): Promise<void> {
    await this.session.register({ cleanBrokerEpoch: -1, sameBoot: true, storageIsNew: false });
    await this.session.run(() => undefined);
  }

  async pass(ms: number): Promise<void> {
    for (let step = 0; step < ms; step += 50) {
      this.clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  get nowMs(): number {
    return this.clock.monotonicMs();
  }
}

describe('a broker session', () => {
  it('lasts from the sending of the last heartbeat on that was answered, not from its answer', async () => {
    const bench = new Bench();
    const answers: (() => void)[] = [];
    const heartbeat = bench.controller.brokerHeartbeat.bind(bench.controller);
    bench.controller.brokerHeartbeat = async (request) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return heartbeat(request);
    };
    await bench.session.register({ cleanBrokerEpoch: -1, sameBoot: true, storageIsNew: false });
    const sentMs = bench.nowMs;
    const begun = bench.session.run(() => undefined);
    await bench.pass(1_000);
    answers[0]?.();
    await begun;
    expect(bench.endsMs).toBe(sentMs + RELIED_ON_MS);
  });

  it('is longer with each heartbeat, and with none that failed', async () => {
    const bench = new Bench();
    await bench.begin();
    const first = bench.endsMs;
    await bench.pass(2_000);
    expect(bench.endsMs).toBe(first + 2_000);
    const failures = Array.from({ length: 200 }, () => new Error('unavailable'));
    bench.controller.nextHeartbeats.push(...failures);
    await bench.pass(20_000);
    expect(bench.endsMs).toBe(first + 2_000);
  });

  it('is back, once over, when the metadata shows what the controller answered by: others may lead by that', async () => {
    const bench = new Bench();
    await bench.begin();
    const cut = Array.from({ length: 40 }, () => new Error('unavailable'));
    bench.controller.nextHeartbeats.push(...cut);
    await bench.pass(2_000);
    while (bench.controller.nextHeartbeats.length > 0) await bench.pass(1_000);
    const over = bench.endsMs;
    expect(over).toBeLessThan(bench.nowMs);
    bench.controller.nextHeartbeats.push(...Array.from({ length: 2_000 }, () => ({ decidedIndex: 7 })));
    await bench.pass(3_000);
    expect(bench.endsMs).toBe(over);
    bench.appliedIndex = 7;
    await bench.pass(3_000);
    expect(bench.endsMs).toBeGreaterThan(bench.nowMs);
  });

  it('is not back while the broker is fenced', async () => {
    const bench = new Bench();
    bench.controller.nextHeartbeats.push({}, ...Array.from({ length: 10 }, () => new Error('unavailable')));
    await bench.begin();
    bench.controller.nextHeartbeats.push(...Array.from({ length: 2_000 }, () => ({ isFenced: true })));
    while (bench.controller.nextHeartbeats.length > 1_980) await bench.pass(1_000);
    const over = bench.endsMs;
    expect(over).toBeLessThan(bench.nowMs);
    await bench.pass(1_000);
    expect(bench.endsMs).toBe(over);
    bench.controller.nextHeartbeats.length = 0;
    await bench.pass(3_000);
    expect(bench.endsMs).toBeGreaterThan(bench.nowMs);
  });
});
