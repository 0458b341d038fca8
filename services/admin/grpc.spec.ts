import 'reflect-metadata';
import type { Client } from '@grpc/grpc-js';
import { type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { openChannel } from '@streamline/platform/rpc/channel';
import { InterBrokerServer } from '@streamline/platform/rpc/inter-broker-server';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import { PLAIN_TEXT } from '@streamline/platform/security/plain-text';
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
  const services = [{ definition: AdminServiceDefinition }];
  const strategy = new InterBrokerServer({ host: '127.0.0.1', port: 0, security: PLAIN_TEXT, services });
  app = await NestFactory.createMicroservice(TestModule, { strategy, logger: false });
  await app.listen();
  channel = openChannel(`127.0.0.1:${strategy.port}`, PLAIN_TEXT.channelCredentials);
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

  it('answers addMember, removeMember and transferLeadership as in process', async () => {
    const add = { nodeId: 4, raftAddr: '192.168.1.4:9093', promoteToVoter: false, forward: false };
    expect(await remote.addMember(add)).toEqual({ leaderId: undefined, ...(await local.addMember(add)) });
    expect(await remote.addMember({ ...add, promoteToVoter: undefined })).toMatchObject({ role: 'voter' });
    const invalid = { ...add, nodeId: 0 };
    expect(await remote.addMember(invalid)).toEqual({ leaderId: undefined, ...(await local.addMember(invalid)) });
    const remove = { nodeId: 4, force: false, forward: false };
    expect(await remote.removeMember(remove)).toEqual({ leaderId: undefined, ...(await local.removeMember(remove)) });
    const transfer = { nodeId: 4, forward: false };
    expect(await remote.transferLeadership(transfer)).toEqual(await local.transferLeadership(transfer));
  });
});
