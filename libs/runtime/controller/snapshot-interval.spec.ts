import { describe, expect, it } from 'vitest';
import { ControllerKit, create, startBroker, topic } from '@streamline/testing/controller/controller-kit';

/** Snapshots taken while so many commands are committed one by one. */
async function snapshots(snapshotIntervalLogs: number, commands: number): Promise<number> {
  const kit = new ControllerKit();
  const controller = await kit.start({ snapshotIntervalLogs });
  await startBroker(controller.role);
  for (let n = 0; n < commands; n++) await create(controller.role, topic(`t${n}`));
  const made = controller.opened.log.snapshots;
  await kit.stop(controller);
  expect(controller.fatal).toEqual([]);
  return made;
}

describe('snapshot_interval_logs', () => {
  it('is how many entries of the metadata log come between two snapshots of the image', async () => {
    expect(await snapshots(1_000, 40)).toBe(0);
    const made = await snapshots(10, 40);
    expect(made).toBeGreaterThanOrEqual(2);
    expect(made).toBeLessThanOrEqual(5);
  });
});
