import { chown, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Cluster, dumpFailures } from '../kit/cluster';
import { REPOSITORY } from '../kit/command';
import { GUIDE_COMPOSE } from '../kit/guide-compose';
import { Network, whyNoNetworks } from '../kit/netns';

interface ComposeFile {
  readonly services: Readonly<
    Record<string, { readonly image: string; readonly command: string; readonly ports: readonly string[] }>
  >;
}

/** nobody: a container runs the node as an ordinary user. */
const UNPRIVILEGED = 65_534;

/** Any folder that there is, and that everybody may enter. */
const INSTALLED_AT = '/mnt';

const guide = parse(GUIDE_COMPOSE) as ComposeFile;
const whyNot = await whyNoNetworks();

describe('docker-compose.yml', () => {
  it('is the guide\'s: "image: streamlinelabs/streamline:latest", "ports: "9092:9092" "9094:9094"" and the commands, word by word', async () => {
    const ours = parse(await readFile(path.join(REPOSITORY, 'deploy/docker-compose.yml'), 'utf8'), {
      merge: true,
    }) as ComposeFile;
    expect(Object.keys(ours.services)).toEqual(Object.keys(guide.services));
    for (const [name, { image, command, ports }] of Object.entries(guide.services)) {
      expect(ours.services[name]).toMatchObject({ image, command, ports });
    }
  });
});

describe.skipIf(whyNot !== undefined)(`Docker Compose (3-Node)${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let network: Network;
  let cluster: Cluster;
  const names = Object.keys(guide.services);

  /** Gives these services their names, as the engine's name server does for containers that run. */
  async function nameHosts(count: number): Promise<void> {
    const lines = names.slice(0, count).map((name, index) => `${network.address(index + 1)} ${name}`);
    await writeFile(path.join(cluster.directory, 'hosts'), `127.0.0.1 localhost\n${lines.join('\n')}\n`);
  }

  beforeAll(async () => {
    network = await Network.create(names.length);
    cluster = await Cluster.inNetwork({
      network,
      program: path.join(INSTALLED_AT, 'bin/streamline'),
      commands: names.map((name) => (guide.services[name]?.command ?? '').trim().split(/\s+/)),
      surroundings: (_id, directory) => ({
        mounts: [
          [path.join(path.dirname(directory), 'hosts'), '/etc/hosts'],
          [REPOSITORY, INSTALLED_AT],
        ],
        readOnly: [INSTALLED_AT],
        uid: UNPRIVILEGED,
      }),
    });
    await chown(cluster.directory, UNPRIVILEGED, UNPRIVILEGED);
    await Promise.all(cluster.nodes.map(({ plan }) => chown(plan.directory, UNPRIVILEGED, UNPRIVILEGED)));
  });
  afterAll(async () => {
    await cluster.remove();
    await network.dispose();
  });
  dumpFailures(() => cluster);

  it('waits with "--seed-nodes streamline-1:9093" also while that name does not resolve yet', async () => {
    await nameHosts(0);
    await cluster.start(2);
    await cluster.node(2).logs(/streamline-1:9093.*(ENOTFOUND|EAI_AGAIN|resolve)/);
    expect((await cluster.node(2).shown()).body).toMatchObject({ healthy: false, leader_id: null });
  });

  it('forms a cluster of "--advertised-addr streamline-1:9092" and the others, as an unprivileged user on read-only code', async () => {
    await nameHosts(names.length);
    await cluster.start(1, 3);
    await cluster.formed([1, 2, 3]);
    const { body } = await cluster.node(2).members();
    expect(body.members.map(({ raft_addr: raft, advertised_addr: kafka }) => [raft, kafka])).toEqual(
      names.map((name) => [`${name}:9093`, `${name}:9092`]),
    );
  });
});
