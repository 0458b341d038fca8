import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Broker } from '../kit/broker';
import { Cluster, dumpFailures } from '../kit/cluster';
import { Command, REPOSITORY } from '../kit/command';
import { containerLauncher, ImageRoot } from '../kit/container';
import { readCompose, readStatefulSet } from '../kit/deployments';
import { environmentOf, execForm, stagesOf, textsOf } from '../kit/dockerfile';
import { unique } from '../kit/names';
import { Network, whyNoNetworks } from '../kit/netns';

/** Where the pods run: any namespace will do. */
const POD_NAMESPACE = 'default';

const run = promisify(execFile);
const whyNot = await whyNoNetworks();

describe.skipIf(whyNot !== undefined)(`clusters of the image${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let directory: string;
  let image: ImageRoot;
  let launcher: string;
  let entryPoint: readonly string[];
  let network: Network;
  let cluster: Cluster | undefined;

  dumpFailures(() => cluster);

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'streamline-deploy-clusters-'));
    await chmod(directory, 0o755);
    image = await ImageRoot.create(async (folder) => {
      await run(process.execPath, [path.join(REPOSITORY, 'deploy/image-content.mjs'), folder]);
    });
    const final = stagesOf(await readFile(path.join(REPOSITORY, 'deploy/Dockerfile'), 'utf8')).at(-1) ?? [];
    entryPoint = execForm(textsOf(final, 'ENTRYPOINT')[0] ?? '');
    launcher = path.join(directory, 'container');
    await writeFile(launcher, containerLauncher(image, environmentOf(final)), { mode: 0o755 });
  });

  afterAll(async () => {
    await image?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    network = await Network.create(3);
  });

  afterEach(async () => {
    await cluster?.remove();
    cluster = undefined;
    await network.dispose();
  });

  /** Three containers, the n-th of which is called by the n-th name and runs the n-th command. */
  async function containers(names: readonly string[], commands: readonly (readonly string[])[]): Promise<Cluster> {
    await image.writeHosts({
      localhost: '127.0.0.1',
      ...Object.fromEntries(names.map((name, index) => [name, network.address(index + 1)])),
    });
    cluster = await Cluster.inNetwork({ network, commands, program: launcher });
    return cluster;
  }

  /** Runs a program in the image and the network of a node; returns its exit code. */
  async function exitCodeAt(node: number, command: readonly string[]): Promise<number | null> {
    const [file = '', ...args] = network.commandAt(node, [launcher, ...command]);
    const checked = Command.start(file, args, { cwd: directory });
    return (await checked.end()).code;
  }

  /** Moves a node to another address of its network. */
  async function giveAddress(node: number, address: string): Promise<void> {
    const script = `ip addr del ${network.address(node)}/24 dev eth0 && ip addr add ${address}/24 dev eth0`;
    const [file = '', ...args] = network.commandAt(node, ['sh', '-c', script]);
    const moved = Command.start(file, args);
    expect((await moved.end()).code, moved.output).toBe(0);
  }

  /** What clients are told to connect to, by node id, as a node tells it. */
  async function advertisedBy(kafka: string): Promise<string[]> {
    const broker = await Broker.connect(kafka);
    const { brokers } = await broker.request(metadata, 12, {
      topics: [],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    });
    await broker.close();
    return brokers.toSorted((one, other) => one.nodeId - other.nodeId).map(({ host, port }) => `${host}:${port}`);
  }

  it("run the compose file's commands under its names, one cluster of three, and again after all of them were stopped", async () => {
    const { services } = await readCompose();
    const names = Object.keys(services);
    const commands = Object.values(services).map(({ command }) => [...entryPoint, ...command.trim().split(/\s+/)]);
    const formed = await containers(names, commands);
    await formed.form();
    const advertised = names.map((name) => `${name}:9092`);
    for (const node of formed.nodes) expect(await advertisedBy(node.kafka)).toEqual(advertised);
    for (const [index, { healthcheck }] of Object.values(services).entries()) {
      // It has a timeout of its own, which a busy machine may miss.
      await formed.until(
        `node ${index + 1} is healthy`,
        async () => (await exitCodeAt(index + 1, healthcheck?.test.slice(1) ?? [])) === 0,
      );
    }
    const topic = unique('composed');
    const [first] = formed.nodes;
    const broker = await Broker.connect(first?.kafka ?? '');
    await broker.createTopic(topic);
    await broker.close();

    for (const node of formed.nodes) expect(await node.stop(), node.tail()).toEqual({ code: 0, signal: null });
    await formed.form();
    const again = await Broker.connect(first?.kafka ?? '');
    const { topics } = await again.request(metadata, 12, {
      topics: null,
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    });
    await again.close();
    expect(topics.map(({ name }) => name)).toContain(topic);
  });

  it("run the pods' command with the same seeds on each: one cluster, begun by the first seed once all others had no cluster", async () => {
    const { set, container } = await readStatefulSet();
    const pods = Array.from({ length: set.spec.replicas }, (_, ordinal) => `${set.metadata.name}-${ordinal}`);
    const names = pods.map((pod) => `${pod}.${set.spec.serviceName}.${POD_NAMESPACE}.svc`);
    const commands = pods.map((pod) => ['env', `POD_NAME=${pod}`, `POD_NAMESPACE=${POD_NAMESPACE}`, ...container.command]);
    const { livenessProbe, readinessProbe } = container;
    const formed = await containers(names, commands);

    await formed.start(1, 2);
    for (const id of [1, 2]) {
      // Neither is there a cluster, nor is that a reason to end what waits for one.
      await formed.until('alive, not ready', async () => {
        const node = formed.node(id);
        const [alive, ready] = await Promise.all([node.get(livenessProbe.httpGet.path), node.get(readinessProbe.httpGet.path)]);
        return alive.code === 200 && ready.code === 503;
      });
    }
    await formed.start(3);
    await formed.formed([1, 2, 3]);
    for (const node of formed.nodes) {
      expect((await node.get(readinessProbe.httpGet.path)).code).toBe(200);
      expect(await advertisedBy(node.kafka)).toEqual(names.map((name) => `${name}:9092`));
    }

    // A pod that is started again has the same name and another address.
    expect(await formed.node(3).stop()).toMatchObject({ code: 0 });
    await giveAddress(3, '192.168.1.103');
    await image.writeHosts({
      ...Object.fromEntries(names.map((name, index) => [name, network.address(index + 1)])),
      [names[2] ?? '']: '192.168.1.103',
    });
    await formed.start(3);
    await formed.formed([1, 2, 3]);
  });
});
