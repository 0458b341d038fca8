import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterId, NodeId } from '@streamline/core/types/ids';
import { isUuidText } from '@streamline/core/types/ids';
import { type RoleName, ROLES } from '../config/roles';
import { DataDirectory } from './data-directory';
import { newUuidText } from './node-file';

let root: string;
beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'streamline-data-')), 'data');
});
afterEach(() => rmSync(join(root, '..'), { recursive: true, force: true }));

const CLUSTER = 'q1w2e3r4t5y6u7i8o9p0aa' as ClusterId;

function open(nodeId = 1, roles: readonly RoleName[] = ROLES): Promise<DataDirectory> {
  return DataDirectory.open({ path: root, nodeId: nodeId as NodeId, roles });
}

async function reopened(): Promise<DataDirectory> {
  await (await open()).close();
  return open();
}

describe('a data directory', () => {
  it('formats an empty directory', async () => {
    const directory = await open(7);
    expect(directory.isNew).toBe(true);
    expect(directory.nodeId).toBe(7);
    expect(isUuidText(directory.directoryId)).toBe(true);
    expect(directory.clusterId).toBeUndefined();
    expect(readdirSync(root).sort()).toEqual(['admin', 'controller', 'gateway', 'node.json', 'storage']);
    expect(directory.rolePath('storage')).toBe(join(root, 'storage'));
    await directory.close();
  });

  it('is the same after a restart, with all that is in it', async () => {
    const first = await open();
    await first.bindCluster(CLUSTER);
    writeFileSync(join(first.rolePath('storage'), 'data'), 'precious');
    await first.close();
    const second = await open();
    expect([second.isNew, second.directoryId, second.clusterId]).toEqual([false, first.directoryId, CLUSTER]);
    expect(readFileSync(join(second.rolePath('storage'), 'data'), 'utf8')).toBe('precious');
    await second.close();
  });

  it('refuses a directory of another node id', async () => {
    await (await open(1)).close();
    await expect(open(2)).rejects.toMatchObject({
      exitCode: 4,
      message: `${root} belongs to node 1, but this node was started as 2`,
      remedy: expect.stringMatching(/^Do not change node_id values between restarts: start with --cluster-node-id 1,/),
    });
  });

  it('belongs to one cluster for good', async () => {
    const directory = await reopened();
    await directory.bindCluster(CLUSTER);
    await directory.bindCluster(CLUSTER);
    const other = newUuidText() as ClusterId;
    await expect(directory.bindCluster(other)).rejects.toMatchObject({
      exitCode: 4,
      message: `${root} belongs to cluster ${CLUSTER}, but this node is told of cluster ${other}`,
    });
    expect(directory.clusterId).toBe(CLUSTER);
    await directory.close();
  });

  it('belongs to one cluster also where two processes are told of different ones at once', async () => {
    const [one, other] = [await open(1, ['controller']), await open(1, ['storage'])];
    const outcomes = await Promise.allSettled([one.bindCluster(CLUSTER), other.bindCluster(newUuidText() as ClusterId)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await Promise.all([one.close(), other.close()]);
  });

  it('is locked while in use', async () => {
    const directory = await open();
    await expect(open()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining(`is in use by process ${process.pid}`),
    });
    await directory.close();
    await (await open()).close();
  });

  it('is shared by the processes of a split node, each with its own roles, which format it once', async () => {
    const processes = await Promise.all(ROLES.map((role) => open(1, [role])));
    expect(new Set(processes.map(({ directoryId }) => directoryId)).size).toBe(1);
    expect(processes.filter(({ isNew }) => isNew)).toHaveLength(1);
    await expect(open(1, ['storage'])).rejects.toMatchObject({ exitCode: 3 });
    await Promise.all(processes.map((one) => one.close()));
  });

  it('lets go of what it had locked when one of its roles is in use elsewhere', async () => {
    const storage = await open(1, ['storage']);
    await expect(open(1, ROLES)).rejects.toMatchObject({ exitCode: 3 });
    const others = await open(1, ['controller', 'gateway', 'admin']);
    await Promise.all([storage.close(), others.close()]);
  });

  it('refuses what a newer version wrote', async () => {
    await (await open()).close();
    const path = join(root, 'node.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"formatVersion": 1', '"formatVersion": 2'));
    await expect(open()).rejects.toMatchObject({
      exitCode: 5,
      message: `${path} has format version 2; this build reads up to 1`,
    });
  });

  it('says so where node.json is no file', async () => {
    mkdirSync(join(root, 'node.json'), { recursive: true });
    await expect(open()).rejects.toMatchObject({ exitCode: 5, message: expect.stringContaining('it is a directory') });
  });

  it.each([
    ['another node id', (text: string) => text.replace('"nodeId": 1', '"nodeId": 2')],
    ['half of it', (text: string) => text.slice(0, text.length / 2)],
    ['nothing', () => ''],
    ['something else', () => '[]'],
  ])('refuses a damaged node.json (%s) and leaves it as it is', async (_, damage) => {
    await (await open()).close();
    const path = join(root, 'node.json');
    const damaged = damage(readFileSync(path, 'utf8'));
    writeFileSync(path, damaged);
    await expect(open()).rejects.toMatchObject({ exitCode: 5, message: expect.stringContaining('is damaged') });
    expect(readFileSync(path, 'utf8')).toBe(damaged);
  });

  it('refuses to format over data whose node.json was lost', async () => {
    mkdirSync(join(root, 'storage'), { recursive: true });
    writeFileSync(join(root, 'storage', 'segment'), 'precious');
    await expect(open()).rejects.toMatchObject({ exitCode: 5, message: expect.stringContaining('node.json') });
    expect(existsSync(join(root, 'node.json'))).toBe(false);
  });

  it('refuses a path that is a file', async () => {
    writeFileSync(root, '');
    await expect(open()).rejects.toMatchObject({ exitCode: 5, message: `the data directory ${root} is not a directory` });
  });

  it('makes a directory below others that are not there yet, and takes a link to one', async () => {
    const below = join(root, 'a', 'b');
    await (await DataDirectory.open({ path: below, nodeId: 1 as NodeId, roles: ROLES })).close();
    const link = join(root, 'link');
    symlinkSync(below, link);
    const again = await DataDirectory.open({ path: link, nodeId: 1 as NodeId, roles: ROLES });
    expect(again.isNew).toBe(false);
    await again.close();
  });

  it('refuses a link to what is not there, a file system that takes none, and a name that is too long', async () => {
    symlinkSync(join(root, '..', 'not-mounted'), root);
    const refusal = {
      exitCode: 5,
      message: `the data directory ${root} is not there and cannot be made (a link to what is not mounted?)`,
    };
    await expect(open()).rejects.toMatchObject(refusal);
    const openAt = (path: string): Promise<DataDirectory> => DataDirectory.open({ path, nodeId: 1 as NodeId, roles: ROLES });
    await expect(openAt('/proc/streamline')).rejects.toMatchObject({ exitCode: 5 });
    await expect(openAt(join(root, '..', 'x'.repeat(300)))).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringContaining('a path that the system does not take: ENAMETOOLONG'),
    });
  });

  it.skipIf(process.getuid?.() === 0)('refuses a directory that it may not write', async () => {
    mkdirSync(root);
    chmodSync(root, 0o500);
    await expect(open()).rejects.toMatchObject({ exitCode: 5, message: expect.stringContaining('may not be written') });
  });
});

describe('newUuidText', () => {
  it('never looks like a flag', () => {
    for (let round = 0; round < 500; round++) expect(newUuidText()).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
  });
});
