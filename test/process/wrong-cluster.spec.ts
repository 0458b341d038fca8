import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { Command } from '../kit/command';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';
import { claimPorts } from '../kit/ports';

async function clusterIdOf(node: NodeProcess): Promise<string> {
  const info = (await (await fetch(`${node.http}/info`)).json()) as { cluster_id: string };
  return info.cluster_id;
}

describe('a data directory of one cluster', () => {
  let directory: string;
  let other: NodeProcess;
  let otherId: string;
  let own: NodeProcess;
  let ownId: string;
  const topic = unique('kept');

  beforeAll(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'streamline-wrong-cluster-'));
    other = await NodeProcess.start({ topology: 'split', dataDir: path.join(directory, 'other') });
    otherId = await clusterIdOf(other);
    own = await NodeProcess.start({ topology: 'split', dataDir: path.join(directory, 'own') });
    ownId = await clusterIdOf(own);
    const broker = await Broker.connect(own.bootstrap);
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['mine']));
    await broker.close();
    await own.stop();
  });

  afterAll(async () => {
    await own.kill();
    await other.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each(['storage', 'gateway'])(
    'is not used under the controller of another one: the role %s exits and says so',
    async (role) => {
      const [kafka, interBroker] = await claimPorts(2);
      const [controller = ''] = other.interBrokerAddresses;
      const command = Command.streamline([
        ...['--profile', 'development', '--roles', role, '--data-dir', own.dataDir, '--controller-addrs', controller],
        ...['--listen-addr', `127.0.0.1:${kafka}`, '--inter-broker-addr', `127.0.0.1:${interBroker}`],
      ]);
      expect(await command.end()).toEqual({ code: ExitCode.WRONG_DIRECTORY, signal: null });
      expect(command.output).toContain(ownId);
      expect(command.output).toContain(otherId);
      expect(command.output).toContain('--controller-addrs');
    },
  );

  it('is left as it was: its own cluster has everything', async () => {
    await own.start();
    expect(await clusterIdOf(own)).toBe(ownId);
    const broker = await Broker.connect(own.bootstrap);
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['mine']);
    await broker.close();
    const foreign = await Broker.connect(other.bootstrap);
    await expect(foreign.readAll(topic)).rejects.toThrow('error 3');
    await foreign.close();
  });
});
