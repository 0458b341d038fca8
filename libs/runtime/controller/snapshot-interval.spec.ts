import { describe, expect, it } from 'vitest';
import { ControllerKit, create, startBroker, topic } from '@streamline/testing/controller/controller-kit';

/** Checkpoints made while so many commands are committed one by one. */
async function checkpoints(snapshotIntervalLogs: number, commands: number): Promise<number> {
  const kit = new ControllerKit();
  const controller = await kit.start({ snapshotIntervalLogs });
  await startBroker(controller.role);
  for (let n = 0; n < commands; n++) await create(controller.role, topic(`t${n}`));
  const made = controller.opened.log.checkpoints;
  await kit.stop(controller);
  expect(controller.fatal).toEqual([]);
  return made;
}

describe('snapshot_interval_logs', () => {
  it('is how many entries of the metadata log come between two checkpoints of the image', async () => {
    expect(await checkpoints(1_000, 40)).toBe(0);
    const made = await checkpoints(10, 40);
    expect(made).toBeGreaterThanOrEqual(2);
    expect(made).toBeLessThanOrEqual(5);
  });
});
