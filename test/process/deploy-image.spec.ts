import { cp, mkdir, mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { REPOSITORY } from '../kit/command';
import { eventually } from '../kit/conditions';
import { Container, CONTAINER_UID, containersMissing, ImageRoot, INSTALLED_AT } from '../kit/container';
import { copiedFrom, environmentOf, execForm, stagesOf, textsOf, type Instruction } from '../kit/dockerfile';
import { claimPorts } from '../kit/ports';
import { unique } from '../kit/names';

const run = promisify(execFile);
const BUILD_WITHIN_MS = 120_000;
/** 24 MB in fact, of which the native modules are 14: what is forgotten to be left out (164 MB of other platforms' RocksDB) shows. */
const CONTENT_BYTES_MAX = 32 * 1024 * 1024;

let build: Instruction[];
let final: Instruction[];
let healthCheck: string;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-deploy-image-'));
  const dockerfile = await readFile(path.join(REPOSITORY, 'deploy/Dockerfile'), 'utf8');
  const [globals = [], ...stages] = stagesOf(dockerfile);
  [build = [], final = []] = stages;
  const version = /^NODE_VERSION=(.*)$/.exec(textsOf(globals, 'ARG')[0] ?? '')?.[1] ?? '';
  build = build.map(({ name, text }) => ({ name, text: text.replace('${NODE_VERSION}', version) }));
  healthCheck = textsOf(final, 'HEALTHCHECK')[0] ?? '';
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('the Dockerfile', () => {
  it('builds with one named version of Node, which the program supports', async () => {
    const [, version = ''] = /^node:(\d+\.\d+\.\d+)-bookworm-slim AS build$/.exec(textsOf(build, 'FROM')[0] ?? '') ?? [];
    const { engines } = JSON.parse(await readFile(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const [leastMajor = 0, leastMinor = 0] = engines.node.replace('>=', '').split('.').map(Number);
    expect(major * 1_000 + minor).toBeGreaterThanOrEqual(leastMajor * 1_000 + leastMinor);
    // What another major version does is not what the suite has shown.
    expect(major).toBe(Number(process.versions.node.split('.')[0]));
  });

  it('runs as a numbered user that is not root, and stops with the signal that a node understands', () => {
    expect(textsOf(final, 'USER')).toEqual([`${CONTAINER_UID}:${CONTAINER_UID}`]);
    expect(textsOf(final, 'STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('has the command as entry point, so that the words of a `command:` are its flags', () => {
    expect(execForm(textsOf(final, 'ENTRYPOINT')[0] ?? '')).toEqual([`${INSTALLED_AT}/bin/streamline`]);
    expect(textsOf(final, 'CMD')).toEqual([]);
  });

  it('keeps its data on a volume that belongs to its user', () => {
    expect(textsOf(final, 'VOLUME')).toEqual(['/data']);
    expect(environmentOf(final)).toMatchObject({ STREAMLINE_DATA_DIR: '/data' });
    expect(textsOf(final, 'RUN').join(' ')).toContain(`install -d -o ${CONTAINER_UID} -g ${CONTAINER_UID} -m 700 /data`);
  });

  it('exposes the three ports of a node', () => {
    expect(textsOf(final, 'EXPOSE')).toEqual(['9092 9093 9094']);
  });

  it('checks its health without a tool that the image would need for nothing else', () => {
    expect(execForm(healthCheck.slice(healthCheck.indexOf('CMD ') + 4))).toEqual([
      'node',
      `${INSTALLED_AT}/bin/healthcheck.mjs`,
      '/health/live',
    ]);
    expect(JSON.stringify([build, final])).not.toMatch(/\b(curl|wget)\b/);
  });

  it('is given what it copies, and its whole context is that', async () => {
    const sources = copiedFrom(build);
    for (const source of sources) await stat(path.join(REPOSITORY, source));
    const ignored = await readFile(path.join(REPOSITORY, '.dockerignore'), 'utf8');
    const [all, ...rules] = ignored.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(all).toBe('*');
    const admitted = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    expect(admitted.toSorted()).toEqual([...new Set(sources.map((source) => source.split('/')[0]))].toSorted());
  });
});

/** Does what the Dockerfile's first stage does, with the packages that are installed here, and leaves /image in `folder`. */
async function buildContent(folder: string): Promise<void> {
  const context = path.join(directory, 'src');
  await mkdir(context);
  for (const source of copiedFrom(build)) {
    const filter = (file: string): boolean => !/\/generated$|\.spec\.ts$/.test(file);
    await cp(path.join(REPOSITORY, source), path.join(context, source), { recursive: true, filter });
  }
  await symlink(path.join(REPOSITORY, 'node_modules'), path.join(context, 'node_modules'));
  const [install, ...steps] = textsOf(build, 'RUN');
  expect(install).toMatch(/^npm ci/);
  for (const step of steps) await run('sh', ['-c', step.replace(/ \/image$/, ` ${folder}`)], { cwd: context });
}

async function bytesIn(folder: string): Promise<number> {
  const { stdout } = await run('du', ['--bytes', '--summarize', folder]);
  return Number.parseInt(stdout, 10);
}

describe('what the image contains', async () => {
  const missing = await containersMissing();
  let image: ImageRoot;
  const containers: Container[] = [];

  beforeAll(async () => {
    if (missing === undefined) image = await ImageRoot.create(buildContent);
  }, BUILD_WITHIN_MS);

  afterEach(async () => {
    await Promise.all(containers.splice(0).map((container) => container.dispose()));
  });

  afterAll(() => image?.remove());

  it('is built from what the Dockerfile copies, and is small', async (context) => {
    context.skip(missing !== undefined, missing);
    const bytes = await bytesIn(path.join(image.directory, INSTALLED_AT));
    console.info(`content of the image beside Debian and Node: ${(bytes / 1024 / 1024).toFixed(1)} MiB`);
    expect(bytes).toBeLessThan(CONTENT_BYTES_MAX);
  });

  it('serves Kafka clients, tells its health and stops in order: first process, read-only root, no rights, only /data to write to', async (context) => {
    context.skip(missing !== undefined, missing);
    const [kafka, interBroker, http] = await claimPorts(3);
    const flags = [`--listen-addr=127.0.0.1:${kafka}`, `--inter-broker-addr=127.0.0.1:${interBroker}`];
    const dataDir = path.join(directory, 'data');
    const env = { ...environmentOf(final), STREAMLINE_HTTP_ADDR: `127.0.0.1:${http}` };
    const start = async (): Promise<Container> => {
      const command = [...execForm(textsOf(final, 'ENTRYPOINT')[0] ?? ''), ...flags];
      const container = Container.start({ image, dataDir, command, env });
      containers.push(container);
      await container.prints('"msg":"ready"');
      return container;
    };
    const check = execForm(healthCheck.slice(healthCheck.indexOf('CMD ') + 4));

    const topic = unique('contained');
    const first = await start();
    const broker = await Broker.connect(`127.0.0.1:${kafka}`);
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['kept']));
    await broker.close();
    // It has a timeout of its own, which a busy machine may miss.
    const healthy = await eventually('the health check says so', async () => {
      const checked = await first.exec(check);
      return checked.code === 0 && checked;
    });
    expect(healthy.output).toBe('');
    const [loadsModules = ''] = textsOf(final, 'RUN').flatMap((text) => /^(cd .*) && install/.exec(text)?.[1] ?? []);
    expect(await first.exec(['sh', '-c', loadsModules])).toEqual({ code: 0, output: '' });
    const rights = await first.exec(['sh', '-c', 'id -u; grep CapBnd /proc/self/status; touch /opt/streamline/x /tmp/x /x']);
    expect(rights.output).toMatch(/^65532\nCapBnd:\s0+\n/);
    expect(rights.output.match(/Read-only file system|No such file/g)).toHaveLength(3);
    expect((await stat(path.join(dataDir, 'controller'))).uid).toBe(CONTAINER_UID);
    expect(await first.end('SIGTERM'), first.output).toEqual({ code: 0, signal: null });
    expect(await first.exec(check)).toMatchObject({ code: 1, output: expect.stringContaining('ECONNREFUSED') as string });

    const second = await start();
    const reader = await Broker.connect(`127.0.0.1:${kafka}`);
    expect((await reader.readAll(topic)).map(({ value }) => value)).toEqual(['kept']);
    await reader.close();
    expect(await second.end('SIGTERM'), second.output).toEqual({ code: 0, signal: null });
  });
});
