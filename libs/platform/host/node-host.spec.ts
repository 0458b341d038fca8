import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterId } from '@streamline/core/types/ids';
import { ScriptedController } from '@streamline/testing/partitions/scripted-controller';
import { TestMetadata } from '@streamline/testing/partitions/test-metadata';
import { resolveConfig } from '../config/resolve-config';
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
  host.local.offerController(new ScriptedController().asPort(), metadata);
  return host;
}

async function stop(host: NodeHost): Promise<void> {
  const { signal } = new AbortController();
  await host.follower.stop(signal);
  await host.base.stop(signal);
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
});
