import 'reflect-metadata';
import { EventEmitter } from 'node:events';
import type * as grpc from '@grpc/grpc-js';
import { Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import fc from 'fast-check';
import { decodeBulkFrame, encodeBulkFrame } from '@streamline/wire/contracts/bulk-frame';
import {
  GroupServiceDefinition,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PipelineRequest, PipelineResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/pipeline';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { until } from '@streamline/testing/time/until';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PLAIN_TEXT } from '../security/plain-text';
import { openChannel } from './channel';
import { InterBrokerServer, type BulkHandlers } from './inter-broker-server';
import { PipelineClient, type PipelineClientLimits } from './pipeline-client';
import { chargeOf, servePipeline, type PipelineLimits } from './pipeline-server';

type BidiCall = grpc.ServerDuplexStream<Buffer, Buffer>;

let app: INestMicroservice | undefined;
let client: grpc.Client | undefined;
let groups: PipelineClient<typeof GroupServiceDefinition> | undefined;

async function listen(pipeline: BulkHandlers[string], port = 0): Promise<number> {
  @Module({})
  class TestModule {}
  const services = [{ definition: GroupServiceDefinition, bulk: { pipeline } }];
  const server = new InterBrokerServer({ host: '127.0.0.1', port, security: PLAIN_TEXT, services });
  app = await NestFactory.createMicroservice(TestModule, { strategy: server, logger: false });
  await app.listen();
  return server.port;
}

function connect(port: number, limits: Partial<PipelineClientLimits> = {}): GroupPort {
  client = openChannel(`127.0.0.1:${port}`, PLAIN_TEXT.channelCredentials);
  groups = new PipelineClient(client, GroupServiceDefinition, 'pipeline', limits);
  return groups.port;
}

function serving(methods: Partial<GroupPort>, limits?: PipelineLimits): BulkHandlers[string] {
  return (call) => servePipeline(GroupServiceDefinition, () => methods, call, limits);
}

async function connected(methods: Partial<GroupPort>, limits?: PipelineLimits): Promise<GroupPort> {
  return connect(await listen(serving(methods, limits)));
}

function beat(groupId: string): HeartbeatRequest {
  return HeartbeatRequest.create({ groupId });
}

/** A call for the group `g<correlation id>` as a client would send it. */
function beatFrame(correlationId: number): Buffer {
  const message = Buffer.from(HeartbeatRequest.encode(beat(`g${correlationId}`)).finish());
  const header = { correlationId, method: 'Heartbeat', deadlineMs: 1_000, requestBytes: message.length };
  return encodeBulkFrame(PipelineRequest, { calls: [header] }, [message]);
}

/** Answers and credit as a server would send them. */
function frameOf(correlationIds: readonly number[], creditBytes: number): Buffer {
  const answers = correlationIds.map((correlationId) => ({ correlationId, responseBytes: 0 }));
  return encodeBulkFrame(PipelineResponse, { answers, creditBytes }, []);
}

beforeEach(() => {
  app = undefined;
  client = undefined;
  groups = undefined;
});

afterEach(async () => {
  groups?.close();
  client?.close();
  await app?.close();
});

describe('calls over one stream', () => {
  it('take effect in the order in which they are made, whatever their sizes', async () => {
    const seen: string[] = [];
    const port = await connected({
      commitOffsets: ({ groupId, offsets }) => {
        seen.push(`commit ${groupId}`);
        return Promise.resolve({ errorCodes: offsets.map(() => 0) });
      },
      heartbeat: ({ groupId }) => {
        seen.push(`heartbeat ${groupId}`);
        return Promise.resolve({ errorCode: 27 });
      },
    });
    const offset = { topic: 't', topicId: '', partition: 0, offset: 1, leaderEpoch: -1, metadata: 'm'.repeat(1_000_000) };
    const identity = { generationId: 1, memberId: 'm', retentionTimeMs: -1, apiVersion: 9, timeoutMs: 5_000 };
    const large = port.commitOffsets({ groupId: 'a', offsets: [offset, offset], ...identity });
    const answers = [port.heartbeat(beat('b')), port.heartbeat(beat('c'))];
    expect(await large).toEqual({ errorCodes: [0, 0] });
    expect(await Promise.all(answers)).toEqual([{ errorCode: 27 }, { errorCode: 27 }]);
    expect(seen).toEqual(['commit a', 'heartbeat b', 'heartbeat c']);
  });

  it('keep their order, and none is lost, through any window', async () => {
    const seen: string[] = [];
    const port = await listen(
      serving({
        heartbeat: ({ groupId }) => {
          seen.push(groupId);
          return Promise.resolve({ errorCode: 0 });
        },
      }),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 20_000 }), async (lengths, windowBytes) => {
        seen.length = 0;
        const calls = connect(port, { windowBytes });
        const made = lengths.map((length, index) => `${index}`.padEnd(length, '.'));
        await Promise.all(made.map((groupId) => calls.heartbeat(beat(groupId))));
        groups?.close();
        client?.close();
        expect(seen).toEqual(made);
      }),
      { numRuns: 25 },
    );
  });

  it('hold each other up in nothing: a join waits, heartbeats are answered', async () => {
    let complete: ((answer: JoinGroupResponse) => void) | undefined;
    const port = await connected({
      joinGroup: () => new Promise((resolve) => (complete = resolve)),
      heartbeat: () => Promise.resolve({ errorCode: 0 }),
    });
    const join = port.joinGroup(JoinGroupRequest.create({ groupId: 'g' }));
    for (let i = 0; i < 3; i += 1) expect(await port.heartbeat(beat('g'))).toEqual({ errorCode: 0 });
    complete?.(JoinGroupResponse.create({ memberId: 'm', members: [{ memberId: 'm', metadata: Buffer.from('xyz') }] }));
    const { memberId, members } = await join;
    expect(memberId).toBe('m');
    expect(Buffer.from(members[0]?.metadata ?? []).toString()).toBe('xyz');
  });

  it('fail alone where one is refused, throws, answers what cannot be sent or is not implemented', async () => {
    const port = await connected({
      heartbeat: ({ groupId }) => {
        if (groupId === 'throws') throw new Error('a defect');
        if (groupId === 'refused') return Promise.reject(new PortError('overloaded', 'too much waits'));
        return Promise.resolve({ errorCode: groupId === 'odd' ? 0.5 : 0 });
      },
    });
    const [throws, refused, odd, missing, fine] = await Promise.allSettled([
      port.heartbeat(beat('throws')),
      port.heartbeat(beat('refused')),
      port.heartbeat(beat('odd')),
      port.listGroups({ states: [], types: [] }),
      port.heartbeat(beat('fine')),
    ]);
    expect(throws).toMatchObject({ reason: { code: 'internal', message: expect.stringContaining('a defect') } });
    expect(refused).toMatchObject({ reason: { name: 'PortError', code: 'overloaded' } });
    expect(odd).toMatchObject({ reason: { code: 'internal' } });
    expect(missing).toMatchObject({ reason: { code: 'internal' } });
    expect(fine).toMatchObject({ value: { errorCode: 0 } });
  });

  it('fail alone where their time is over', async () => {
    let deadlineMs: number | undefined;
    const port = await connected({
      joinGroup: (_request, context) => {
        deadlineMs = context?.deadlineMs;
        return new Promise(() => undefined);
      },
      heartbeat: () => Promise.resolve({ errorCode: 0 }),
    });
    const join = port.joinGroup(JoinGroupRequest.create({ groupId: 'g' }), { deadlineMs: 20 });
    await expect(join).rejects.toMatchObject({ code: 'deadline' });
    expect(deadlineMs).toBe(20);
    expect(await port.heartbeat(beat('g'))).toEqual({ errorCode: 0 });
  });

  it('fail as unavailable when the stream is lost, and go to the next one', async () => {
    const waits: Partial<GroupPort> = { joinGroup: () => new Promise(() => undefined) };
    const answers: Partial<GroupPort> = { heartbeat: () => Promise.resolve({ errorCode: 0 }) };
    const address = await listen(serving({ ...waits, ...answers }));
    const port = connect(address);
    const joins = [1, 2].map(() => port.joinGroup(JoinGroupRequest.create({ groupId: 'g' })));
    expect(await port.heartbeat(beat('g'))).toEqual({ errorCode: 0 });
    const lost = Promise.allSettled(joins);
    await app?.close();
    for (const outcome of await lost) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } });
    await listen(serving(answers), address);
    await vi.waitFor(async () => expect(await port.heartbeat(beat('g'))).toEqual({ errorCode: 0 }), { timeout: 60_000 });
  });

  it('fail at once while streams break before they are of use, and no stream is opened for each', async () => {
    let opened = 0;
    let isReady = false;
    const address = await listen((call) => {
      opened += 1;
      if (isReady) serving({ heartbeat: () => Promise.resolve({ errorCode: 0 }) })(call);
      else throw new PortError('unavailable', 'the role has not started');
    });
    const port = connect(address);
    await expect(port.heartbeat(beat('g'))).rejects.toThrow('the role has not started');
    for (let i = 0; i < 200; i += 1) await expect(port.heartbeat(beat('g'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(opened).toBeLessThan(10);
    isReady = true;
    await vi.waitFor(async () => expect(await port.heartbeat(beat('g'))).toEqual({ errorCode: 0 }), { timeout: 60_000 });
  });
});

describe('the calling end', () => {
  /** A server that takes calls and credits them when the test says so. */
  async function silent(limits: Partial<PipelineClientLimits>) {
    const frames: PipelineRequest[] = [];
    let stream: BidiCall | undefined;
    const address = await listen((call) => {
      stream = call;
      call.on('error', () => undefined);
      call.on('data', (frame: Buffer) => frames.push(decodeBulkFrame(PipelineRequest, frame).header));
    });
    const port = connect(address, limits);
    const taken = () => frames.flatMap(({ calls }) => calls);
    return { port, frames, taken, send: (frame: Buffer) => void stream?.write(frame) };
  }

  const CHARGE = chargeOf(HeartbeatRequest.encode(beat('g')).finish().length);

  it('puts the calls of one turn into one frame', async () => {
    const { port, frames, taken, send } = await silent({});
    const answers = Promise.all(Array.from({ length: 500 }, () => port.heartbeat(beat('g'))));
    await until(() => taken().length === 500);
    expect(frames).toHaveLength(1);
    send(
      frameOf(
        taken().map(({ correlationId }) => correlationId),
        0,
      ),
    );
    expect(await answers).toHaveLength(500);
  });

  it('sends no more than its window, and goes on as calls are taken, answered or not', async () => {
    const { port, taken, send } = await silent({ windowBytes: 3 * CHARGE });
    const answers = Promise.all(Array.from({ length: 5 }, () => port.heartbeat(beat('g'))));
    await until(() => taken().length === 3);
    send(frameOf([], CHARGE));
    await until(() => taken().length === 4);
    send(frameOf([], 3 * CHARGE));
    await until(() => taken().length === 5);
    send(
      frameOf(
        taken().map(({ correlationId }) => correlationId),
        CHARGE,
      ),
    );
    await answers;
  });

  it('holds a bounded number of calls and of bytes', async () => {
    const { port, taken } = await silent({ windowBytes: CHARGE, maxWaitingBytes: 2 * CHARGE, maxCalls: 4 });
    const waiting = [1, 2].map(() => port.heartbeat(beat('g')));
    await expect(port.heartbeat(beat('g'))).rejects.toMatchObject({ code: 'overloaded' });
    await until(() => taken().length === 1);
    waiting.push(port.heartbeat(beat('g')));
    await expect(port.heartbeat(beat('g'))).rejects.toMatchObject({ code: 'overloaded' });
    const ended = Promise.allSettled(waiting);
    groups?.close();
    for (const outcome of await ended) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } });
  });
});

describe('the serving end', () => {
  it('refuses calls beyond what it may have under way, each by itself', async () => {
    const release: (() => void)[] = [];
    const heartbeat = () => new Promise<{ errorCode: number }>((resolve) => release.push(() => resolve({ errorCode: 0 })));
    const port = await connected({ heartbeat }, { maxCalls: 2, maxBytes: 1_000 });
    const [first, second, third] = ['a', 'b', 'c'].map((groupId) => port.heartbeat(beat(groupId)));
    await expect(third).rejects.toMatchObject({ code: 'overloaded' });
    release.shift()?.();
    await first;
    await expect(port.heartbeat(beat('x'.repeat(1_000)))).rejects.toMatchObject({ code: 'overloaded' });
    release.shift()?.();
    await second;
    const large = port.heartbeat(beat('x'.repeat(2_000)));
    await until(() => release.length === 1);
    release.shift()?.();
    await expect(large).resolves.toEqual({ errorCode: 0 });
  });

  it('reads nothing while the caller does not take its answers', async () => {
    const calls: string[] = [];
    const written: PipelineResponse[] = [];
    let isReading = true;
    const stream = Object.assign(new EventEmitter(), {
      cancelled: false,
      writableEnded: false,
      pause: () => (isReading = false),
      resume: () => (isReading = true),
      write: (frame: Buffer) => {
        written.push(decodeBulkFrame(PipelineResponse, frame).header);
        return false;
      },
    });
    const heartbeat: GroupPort['heartbeat'] = ({ groupId }) => {
      calls.push(groupId);
      return Promise.resolve({ errorCode: 0 });
    };
    servePipeline(GroupServiceDefinition, () => ({ heartbeat }), stream as unknown as BidiCall);
    const send = (correlationId: number) => stream.emit('data', beatFrame(correlationId));
    send(1);
    await until(() => !isReading);
    // What had been read before is still served, but its answer waits.
    send(2);
    await until(() => calls.length === 2);
    expect(calls).toEqual(['g1', 'g2']);
    expect(written.flatMap(({ answers }) => answers)).toHaveLength(1);
    stream.emit('drain');
    expect(written.flatMap(({ answers }) => answers).map(({ correlationId }) => correlationId)).toEqual([1, 2]);
    expect(written.reduce((sum, { creditBytes }) => sum + creditBytes, 0)).toBe(
      2 * chargeOf(HeartbeatRequest.encode(beat('g1')).finish().length),
    );
  });

  it('ends the stream for a frame that it cannot read', async () => {
    const address = await listen(serving({}));
    client = openChannel(`127.0.0.1:${address}`, PLAIN_TEXT.channelCredentials);
    const path = `/${GroupServiceDefinition.fullName}/Pipeline`;
    const asIs = (frame: Buffer) => frame;
    const stream = client.makeBidiStreamRequest(path, asIs, asIs);
    const failure = new Promise((resolve) => stream.on('error', resolve));
    stream.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    expect(String(await failure)).toContain('claims a header');
  });

  it('starts nothing that comes behind the frame that ended the stream', () => {
    const calls: string[] = [];
    const heartbeat: GroupPort['heartbeat'] = ({ groupId }) => {
      calls.push(groupId);
      return Promise.resolve({ errorCode: 0 });
    };
    const stream = Object.assign(new EventEmitter(), { cancelled: false, writableEnded: false });
    // As grpc-js does.
    stream.on('error', () => (stream.writableEnded = true));
    servePipeline(GroupServiceDefinition, () => ({ heartbeat }), stream as unknown as BidiCall);
    for (const frame of [beatFrame(1), Buffer.from([0xff, 0xff, 0xff, 0xff]), beatFrame(2)]) stream.emit('data', frame);
    expect(calls).toEqual(['g1']);
  });
});
