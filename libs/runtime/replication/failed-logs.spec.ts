import { beforeEach, describe, expect, it } from 'vitest';
import type { AnewObstacle } from '@streamline/core/replication/begin-anew';
import { ANEW_BACK_OFF_MS_MAX } from '@streamline/core/replication/begin-anew';
import type { Offset } from '@streamline/core/types/ids';
import { testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { FailedReplica } from './failed-logs';
import { FailedLogs } from './failed-logs';

class Replica implements FailedReplica {
  obstacle: AnewObstacle | undefined;
  begun = 0;
  readonly partition = {
    key: testKey(1),
    topicName: 't',
    log: { offlineReason: 'EIO', logStartOffset: 0 as Offset, logEndOffset: 9 as Offset },
  };

  beginAnew(): AnewObstacle | undefined {
    if (this.obstacle === undefined) this.begun += 1;
    return this.obstacle;
  }
}

let clock: VirtualClock;
let lines: { readonly fields: object; readonly message: string }[];
let logs: FailedLogs;

beforeEach(() => {
  clock = new VirtualClock();
  lines = [];
  const tell = (fields: object, message: string): void => void lines.push({ fields, message });
  logs = new FailedLogs({ clock, random: new SeededRandom(1), log: { info: tell, warn: tell, error: tell } });
});

function pass(ms: number): void {
  for (let at = 0; at < ms; at += 100) {
    clock.advance(100);
    logs.tick();
  }
}

/** How long it is left alone, once it has failed. */
function waitMs(replica: Replica): number {
  logs.failed(replica);
  const { anewWaitMsMax } = logs.figures();
  logs.beginsAnew(replica);
  return anewWaitMsMax;
}

describe('logs that failed', () => {
  it('are left alone for a while, told in seconds, and then begin anew', () => {
    const replica = new Replica();
    logs.failed(replica);
    const { anewWaitMsMax } = logs.figures();
    expect(lines[0]).toMatchObject({
      fields: { topic: 't', partition: 0, reason: 'EIO', attempts: 0, seconds: anewWaitMsMax / 1_000 },
    });
    expect(anewWaitMsMax).toBeGreaterThanOrEqual(500);
    pass(400);
    expect(replica.begun).toBe(0);
    pass(700);
    expect(replica.begun).toBeGreaterThan(0);
    logs.beginsAnew(replica);
    logs.recovered(replica);
    expect(logs.figures()).toEqual({ logsBegunAnew: 1, logsRecovered: 1, anewWaitMsMax: 0 });
  });

  it('are left alone for longer each time that they fail again, ten minutes at most, and as at first when they have held', () => {
    const replica = new Replica();
    const waits = Array.from({ length: 20 }, () => waitMs(replica));
    waits.slice(0, 9).forEach((each, attempts) => {
      expect(each).toBeGreaterThanOrEqual(500 * 2 ** attempts);
      expect(each).toBeLessThanOrEqual(1_000 * 2 ** attempts);
    });
    expect(Math.max(...waits)).toBeLessThanOrEqual(ANEW_BACK_OFF_MS_MAX);
    clock.advance(2 * ANEW_BACK_OFF_MS_MAX);
    logs.tick();
    expect(waitMs(replica)).toBeLessThanOrEqual(1_000);
  });

  it('that may be the last stay as they are: what can be done is told once, and they begin anew when somebody leads', () => {
    const replica = new Replica();
    replica.obstacle = 'leaderless';
    logs.failed(replica);
    pass(60_000);
    expect(lines.slice(1).map(({ message }) => message)).toEqual([
      expect.stringContaining('Start the brokers of the other replicas'),
    ]);
    replica.obstacle = undefined;
    pass(100);
    expect(replica.begun).toBe(1);
  });

  it('are forgotten with their replica', () => {
    const replica = new Replica();
    logs.failed(replica);
    logs.forget(replica);
    pass(5_000);
    expect(replica.begun).toBe(0);
  });
});
