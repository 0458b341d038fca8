import 'reflect-metadata';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOST } from '@streamline/platform/host/host';
import type { HostedRole } from '@streamline/platform/host/hosted-role';
import { NodeHost } from '@streamline/platform/host/node-host';
import { StopDeadline } from '@streamline/platform/lifecycle/stop-deadline';
import { unlikeDefaults, type UnlikeDefaults } from '@streamline/testing/config/unlike-defaults';
import type { HealthBody, InfoBody } from './bodies';
import { ADMIN, AdminModule } from './admin.module';

@Module({})
class ProcessModule {}

/** A peer that is there and says nothing. */
class SilentPeer {
  connections = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server = createServer((socket) => {
    this.connections += 1;
    this.sockets.add(socket.on('error', () => undefined));
  }).listen(0, '127.0.0.1');

  async address(): Promise<string> {
    if (!this.server.listening) await once(this.server, 'listening');
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let directory: string;
let controller: SilentPeer;
let gateway: SilentPeer;
let settings: UnlikeDefaults;
let host: NodeHost;
let role: HostedRole;
let http: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-admin-'));
  [controller, gateway] = [new SilentPeer(), new SilentPeer()];
  http = await freeAddress();
  settings = unlikeDefaults({
    node_id: 7,
    roles: ['admin', 'storage'],
    data_dir: directory,
    http_addr: http,
    advertised_addr: 'kafka.example:9192',
    advertised_inter_broker_addr: 'node.example:9193',
    controller_addrs: [await controller.address()],
    gateway_addr: await gateway.address(),
  });
  host = await NodeHost.open(settings.config, pino({ level: 'silent' }), (error) => {
    throw error;
  });
  const provider = { provide: HOST, useValue: host };
  const process = { module: ProcessModule, global: true, providers: [provider], exports: [provider], imports: [AdminModule] };
  const context = await NestFactory.createApplicationContext(process, { logger: false, abortOnError: false });
  role = context.get<HostedRole>(ADMIN, { strict: false });
  await role.start();
});

afterEach(async () => {
  await role.stop(new StopDeadline(10_000));
  await host.follower.stop(new StopDeadline(10_000));
  await host.base.stop(new StopDeadline(10_000));
  await Promise.all([controller.close(), gateway.close()]);
  await rm(directory, { recursive: true });
});

/** One that was free a moment ago. */
async function freeAddress(): Promise<string> {
  const peer = new SilentPeer();
  const address = await peer.address();
  await peer.close();
  return address;
}

async function get<Body>(path: string): Promise<Body> {
  return (await fetch(`http://${http}${path}`)).json() as Promise<Body>;
}

describe('the settings of an admin', () => {
  it('are all given another value here than their default', async () => {
    await get('/health');
    expect(settings.forgotten()).toEqual([]);
  });

  it('http_addr is where it answers', async () => {
    expect(await get('/health/live')).toEqual({ live: true });
  });

  it('node_id and roles are what it tells of its process', async () => {
    expect(await get<InfoBody>('/info')).toMatchObject({ node_id: 7, roles: ['admin', 'storage'] });
  });

  it('controller_addrs and gateway_addr are where it asks the processes of a split node', async () => {
    const { ready } = await get<HealthBody>('/health');
    expect(ready).toBe(false);
    expect(controller.connections).toBeGreaterThan(0);
    expect(gateway.connections).toBeGreaterThan(0);
  });
});
