import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClusterId } from '@streamline/core/types/ids';
import { ScriptedController } from '@streamline/testing/partitions/scripted-controller';
import { TestMetadata } from '@streamline/testing/partitions/test-metadata';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import type { GivenValue } from '../config/config-problem';
import { type ConfigLayer, resolveConfig } from '../config/resolve-config';
import type { RoleName } from '../config/roles';
import { writeRetirement } from '../lifecycle/retirement-file';
import { StopDeadline } from '../lifecycle/stop-deadline';
import { NodeHost } from './node-host';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-host-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** A process whose controller is that of `clusterId`. */
async function hostOf(clusterId: string): Promise<NodeHost> {
  const layer = new Map([['data_dir', { raw: directory, origin: { kind: 'default' } }] as const]);
  const host = await NodeHost.open(resolveConfig([layer]).config, pino({ level: 'silent' }), () => undefined);
  const metadata = new TestMetadata();
  metadata.image = { ...metadata.image, clusterId: clusterId as ClusterId };
  host.local.offerController(new ScriptedController().asPort(), undefined);
  host.local.offerReplica(metadata);
  return host;
}

async function stop(host: NodeHost): Promise<void> {
  const deadline = new StopDeadline(10_000);
  await host.follower.stop(deadline);
  await host.base.stop(deadline);
}

describe('NodeHost', () => {
  it('binds its directory to the cluster of its controller, and follows no controller of another one', async () => {
    const first = await hostOf('clusterclustercluster0');
    await first.follower.start();
    expect(first.directory.clusterId).toBe('clusterclustercluster0');
    await stop(first);
    const second = await hostOf('anotherclusteranother0');
    await expect(second.follower.start()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('belongs to cluster clusterclustercluster0'),
    });
    await stop(second);
  });

  describe('of a process without the controller of its node', () => {
    const REFUSAL = new FormationRefusedError('Node was removed from the cluster', 'It can join again.');

    /** Nobody listens where its controller is to be. */
    async function open(...roles: RoleName[]): Promise<{ readonly host: NodeHost; readonly withdrawn: Error[] }> {
      const withdrawn: Error[] = [];
      const given = (raw: unknown): GivenValue => ({ raw, origin: { kind: 'default' } });
      const layer: ConfigLayer = new Map([
        ['data_dir', given(directory)],
        ['roles', given(roles)],
        ['controller_addrs', given(['127.0.0.1:1'])],
      ]);
      const { config } = resolveConfig([layer]);
      const fatal = (error: unknown) => expect.fail(String(error));
      const host = await NodeHost.open(config, pino({ level: 'silent' }), fatal, (refusal) => withdrawn.push(refusal));
      return { host, withdrawn };
    }

    async function leaveWord(): Promise<void> {
      await mkdir(join(directory, 'controller'));
      await writeRetirement(join(directory, 'controller'), REFUSAL);
    }

    it('serves no longer once its controller has left word that the cluster has no place for it, and ended', async () => {
      const { host, withdrawn } = await open('gateway');
      void host.follower.start();
      await leaveWord();
      await vi.waitFor(() => expect(withdrawn).toEqual([REFUSAL]), { timeout: 30_000 });
      await stop(host);
    });

    it('does not start then, but to answer operators', async () => {
      await stop((await open('gateway')).host);
      await leaveWord();
      await expect(open('gateway', 'storage')).rejects.toEqual(REFUSAL);
      await expect(open('gateway', 'storage', 'admin')).rejects.toEqual(REFUSAL);
      await stop((await open('admin')).host);
    });
  });
});
