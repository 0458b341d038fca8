import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { updateFeatures } from '@streamline/wire/kafka/apis/57-update-features';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { NodeProcess } from '../kit/node-process';
import { makeOlderBuild, OLDER_BUILD } from '../kit/older-build';

const NAME = 'metadata.version';
const UPGRADE = 1;

let directory: string;
let node: NodeProcess | undefined;

beforeAll(() => {
  makeOlderBuild();
  directory = mkdtempSync(path.join(tmpdir(), 'streamline-versions-'));
});

afterEach(() => node?.kill());

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function start(main?: string): Promise<Broker> {
  node = await NodeProcess.start({ dataDir: path.join(directory, 'data'), ...(main !== undefined && { main }) });
  return Broker.connect(node.bootstrap);
}

async function stop(broker: Broker): Promise<void> {
  await broker.close();
  expect(await node?.stop()).toEqual([0]);
}

/** Supported and finalized levels, as clients are told. */
async function levels(broker: Broker): Promise<{ supported: number[]; finalized: number }> {
  const answer = await broker.request(apiVersions, 4, { clientSoftwareName: 'spec', clientSoftwareVersion: '1' });
  const supported = answer.supportedFeatures?.find(({ name }) => name === NAME);
  const finalized = answer.finalizedFeatures?.find(({ name }) => name === NAME);
  return { supported: [supported?.minVersion ?? 0, supported?.maxVersion ?? 0], finalized: finalized?.maxVersionLevel ?? 0 };
}

async function raise(broker: Broker, maxVersionLevel: number, validateOnly = false) {
  const featureUpdates = [{ feature: NAME, maxVersionLevel, upgradeType: UPGRADE }];
  return broker.request(updateFeatures, 2, { featureUpdates, validateOnly });
}

describe('metadata.version from one build to the next', () => {
  it('an older build begins a cluster with its own level', async () => {
    const broker = await start(OLDER_BUILD);
    expect(await levels(broker)).toEqual({ supported: [32, 32], finalized: 32 });
    expect(await raise(broker, 33)).toMatchObject({
      errorCode: 95,
      errorMessage: expect.stringContaining('Local controller only supports versions 32'),
    });
    await broker.createTopic('kept');
    await broker.produce('kept', 0, batchOf(['from the old build']));
    await stop(broker);
  });

  it('a newer one takes the directory over, goes on at that level, and raises it when it is told to', async () => {
    const broker = await start();
    expect(await levels(broker)).toEqual({ supported: [32, 33], finalized: 32 });
    await eventually('the controller has heard what its broker supports', async () => {
      return (await raise(broker, 33, true)).errorCode === 0;
    });
    expect((await levels(broker)).finalized).toBe(32);
    expect(await raise(broker, 33)).toMatchObject({ errorCode: 0, errorMessage: null });
    expect((await levels(broker)).finalized).toBe(33);
    expect((await raise(broker, 32)).errorMessage).toContain("Can't downgrade the version of this feature");
    await broker.produce('kept', 0, batchOf(['from the new build']));
    await stop(broker);
  });

  it('the older one refuses to start on it then, and says why and what to start', async () => {
    node = await NodeProcess.create({ dataDir: path.join(directory, 'data'), main: OLDER_BUILD });
    await expect(node.start()).rejects.toThrow(/ended with/);
    expect(node.log).toContain(`${NAME} at level 2 (this version knows levels up to 1)`);
    expect(node.log).toContain('A newer version wrote it: start that version (or a newer one) on this data directory.');
  });

  it('the older one is refused where it asks to join a cluster of the newer one, and told what to start', async () => {
    const broker = await start();
    const flags = ['--cluster-node-id', '2', '--seed-nodes', node?.interBrokerAddresses[0] ?? ''];
    const joiner = await NodeProcess.create({ main: OLDER_BUILD, flags });
    try {
      await expect(joiner.start()).rejects.toThrow(/ended with 12/);
      expect(joiner.log).toContain(`this cluster has finalized ${NAME} at level 2`);
      expect(joiner.log).toContain('start a version that supports level 2');
    } finally {
      await joiner.remove();
      await stop(broker);
    }
  });

  it('the newer one finds everything as it was', async () => {
    const broker = await start();
    expect((await levels(broker)).finalized).toBe(33);
    expect((await broker.readAll('kept')).map(({ value }) => value)).toEqual(['from the old build', 'from the new build']);
    await stop(broker);
  });
});
