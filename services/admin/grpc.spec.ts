import 'reflect-metadata';
import type { Client } from '@grpc/grpc-js';
import { type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { openChannel } from '@streamline/platform/rpc/channel';
import { InterBrokerServer } from '@streamline/platform/rpc/inter-broker-server';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import { AdminServiceDefinition } from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import type { AdminPort } from '@streamline/wire/contracts/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_PORT, AdminGrpcController } from './admin-grpc.controller';
import { adminPort, AdminService } from './admin.service';
import { options } from './fixtures';

const local = adminPort(new AdminService(options()));
let app: INestMicroservice;
let channel: Client;
let remote: AdminPort;

beforeAll(async () => {
  @Module({ controllers: [AdminGrpcController], providers: [{ provide: ADMIN_PORT, useValue: local }] })
  class TestModule {}
  const strategy = new InterBrokerServer({ host: '127.0.0.1', port: 0, services: [{ definition: AdminServiceDefinition }] });
  app = await NestFactory.createMicroservice(TestModule, { strategy, logger: false });
  await app.listen();
  channel = openChannel(`127.0.0.1:${strategy.port}`);
  remote = remotePort(AdminServiceDefinition, channel);
});
afterAll(async () => {
  channel.close();
  await app.close();
});

describe('streamline.admin.v1 over gRPC', () => {
  it.each(['getClusterStatus', 'listMembers', 'getHealth', 'getInfo'] as const)('answers %s as in process', async (method) => {
    expect(await remote[method]({})).toEqual(await local[method]({}));
  });
});
