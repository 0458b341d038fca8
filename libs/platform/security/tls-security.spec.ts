import 'reflect-metadata';
import * as grpc from '@grpc/grpc-js';
import { Controller, Inject, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VoterId } from '@streamline/core/raft/types';
import { checkHealth, listServices } from '@streamline/testing/grpc/generic-client';
import { until } from '@streamline/testing/time/until';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { TestAuthority, type IssuedCertificate } from '@streamline/testing/tls/test-authority';
import { TLS_PATHS, TlsFilesInMemory } from '@streamline/testing/tls/tls-files-in-memory';
import { ToldLog } from '@streamline/testing/tls/told-log';
import { GroupServiceDefinition, HeartbeatRequest } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { GetStatusResponse, RoleServiceDefinition } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import { formatFamilies } from '../observability/exposition';
import { openChannel } from '../rpc/channel';
import { InterBrokerServer, type ServedService } from '../rpc/inter-broker-server';
import { PipelineClient } from '../rpc/pipeline-client';
import { servePipeline } from '../rpc/pipeline-server';
import { raftService } from '../rpc/raft-server';
import { GrpcRaftTransport } from '../rpc/raft-transport';
import { remotePort } from '../rpc/remote-port';
import { ServePort } from '../rpc/serve-port';
import { PLAIN_TEXT } from './plain-text';
import { TlsSecurity } from './tls-security';
import type { TlsSettings } from './tls-settings';
import { RELOAD_POLL_MS } from './watched-tls-files';

const PORT = Symbol('port');
const SETTINGS: TlsSettings = { ...TLS_PATHS, verifyPeer: true, minVersion: '1.2' };
const DAY_MS = 86_400_000;
const EXPIRED = { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) };
const VOTERS = ['1@aaaaaaaaaaaaaaaaaaaaaa', '2@bbbbbbbbbbbbbbbbbbbbbb'] as VoterId[];

const authority = new TestAuthority();
const foreign = new TestAuthority('Other CA');

@Controller()
@ServePort(RoleServiceDefinition)
class RoleGrpc {
  constructor(@Inject(PORT) readonly port: RolePort) {}
}

const cleanUps: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A process's security, with files, log and time that a test moves. */
class Peer {
  readonly log = new ToldLog();
  readonly clock = new VirtualClock(Date.now());

  private constructor(readonly files: TlsFilesInMemory) {}

  static async create(issued = authority.issue(), settings: Partial<TlsSettings> = {}, trusted = authority): Promise<Peer> {
    const peer = new Peer(new TlsFilesInMemory(issued, trusted.cert));
    await peer.open({ ...SETTINGS, ...settings });
    return peer;
  }

  #security: TlsSecurity | undefined;

  private async open(settings: TlsSettings): Promise<void> {
    const { clock, log, files } = this;
    this.#security = await TlsSecurity.open({
      ...{ settings, host: '127.0.0.1', process: 'test', clock, logger: log, readFile: files.readFile },
    });
    cleanUps.push(() => this.#security?.close());
  }

  get security(): TlsSecurity {
    if (this.#security === undefined) throw new Error('opened in create');
    return this.#security;
  }

  /** Lets it read its files again, until it says what came of it. */
  async reload(): Promise<void> {
    const before = this.log.lines.length;
    this.clock.advance(RELOAD_POLL_MS);
    await until(() => this.log.lines.length > before);
  }

  /** Why a connection was refused: reason and text, once it was. */
  async refusal(): Promise<string> {
    await until(() => this.log.lines.some(({ fields }) => 'reason' in fields));
    const line = this.log.lines.find(({ fields }) => 'reason' in fields);
    return `${String(line?.fields['reason'])}: ${line?.text}`;
  }
}

async function serve({ security }: Pick<Peer, 'security'>, services: readonly ServedService[] = []): Promise<InterBrokerServer> {
  const port = { getStatus: () => Promise.resolve(GetStatusResponse.create({ version: 'secured' })) };
  @Module({ controllers: [RoleGrpc], providers: [{ provide: PORT, useValue: port }] })
  class TestModule {}
  const server = new InterBrokerServer({
    ...{ host: '127.0.0.1', port: 0, security, services: [{ definition: RoleServiceDefinition }, ...services] },
  });
  const app: INestMicroservice = await NestFactory.createMicroservice(TestModule, { strategy: server, logger: false });
  await app.listen();
  server.setServing(true);
  cleanUps.push(() => app.close());
  return server;
}

function channelTo(address: string, credentials: grpc.ChannelCredentials): grpc.Client {
  const client = openChannel(address, credentials);
  cleanUps.push(() => client.close());
  return client;
}

/** One call over a connection of its own. */
async function call(port: number, credentials: grpc.ChannelCredentials, host = '127.0.0.1'): Promise<string> {
  const client = channelTo(`${host}:${port}`, credentials);
  const answer = await remotePort(RoleServiceDefinition, client).getStatus({}, { deadlineMs: 60_000 });
  return answer.version;
}

/** Connects as anybody might, and waits until the connection ends. */
async function knock(port: number, options: tls.ConnectionOptions): Promise<void> {
  const socket = tls.connect({ port, host: '127.0.0.1', ca: [authority.cert], ALPNProtocols: ['h2'], ...options });
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
}

/** A server that is not ours. */
async function strangeServer(options: tls.TlsOptions): Promise<number> {
  const server = http2.createSecureServer({ ...options, ALPNProtocols: ['h2'] });
  server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

function serverOptions({ cert, key }: IssuedCertificate): tls.TlsOptions {
  return { cert, key, ca: [authority.cert] };
}

describe('TLS between nodes', () => {
  it('inter_broker_tls.enabled makes every connection TLS: a peer that speaks plain text is refused', async () => {
    const peer = await Peer.create();
    const server = await serve(peer);
    await expect(call(server.port, PLAIN_TEXT.channelCredentials)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await peer.refusal()).toBe(
      'plain_text: refused a connection from 127.0.0.1: it does not speak TLS: inter_broker_tls.enabled is probably false there',
    );
    expect(await call(server.port, (await Peer.create()).security.channelCredentials)).toBe('secured');
  });

  it('is on every service of the port: calls, streams, consensus, health and reflection', async () => {
    const [one, other] = [await Peer.create(), await Peer.create()];
    const received: unknown[] = [];
    const transportOf = (self: VoterId, credentials: grpc.ChannelCredentials): GrpcRaftTransport => {
      const transport = new GrpcRaftTransport({
        ...{
          identity: { self, clusterId: () => 'cluster', clusterEpoch: () => 0, address: '' },
          credentials,
          onProblem: () => undefined,
        },
      });
      cleanUps.push(() => transport.close());
      transport.listen({
        onMessages: (messages) => received.push(...messages),
        onRefused: () => undefined,
        onUnreachable: () => undefined,
      });
      return transport;
    };
    const [self, peer] = VOTERS as [VoterId, VoterId];
    const groups = { heartbeat: () => Promise.resolve({ errorCode: 27 }) };
    const { port } = await serve(one, [
      {
        definition: GroupServiceDefinition,
        bulk: { pipeline: (stream) => servePipeline(GroupServiceDefinition, () => groups, stream) },
      },
      raftService(transportOf(self, one.security.channelCredentials)),
    ]);
    const address = `127.0.0.1:${port}`;
    const { channelCredentials } = other.security;
    const pipelineOver = (credentials: grpc.ChannelCredentials) => {
      return new PipelineClient(channelTo(address, credentials), GroupServiceDefinition, 'pipeline').port;
    };
    const beat = HeartbeatRequest.create({ groupId: 'g' });
    expect(await call(port, channelCredentials)).toBe('secured');
    expect((await pipelineOver(channelCredentials).heartbeat(beat)).errorCode).toBe(27);
    expect(await checkHealth(address, '', channelCredentials)).toBe('SERVING');
    expect(await listServices(address, channelCredentials)).toContain('streamline.node.v1.RoleService');
    const consensus = transportOf(peer, channelCredentials);
    consensus.setPeers([{ id: self, address }]);
    consensus.send([{ kind: 'heartbeat', from: peer, to: self, term: 3, round: 1, commitIndex: 2 } as never]);
    await until(() => received.length === 1);

    await expect(pipelineOver(PLAIN_TEXT.channelCredentials).heartbeat(beat)).rejects.toThrow();
    await expect(checkHealth(address, '')).rejects.toThrow();
    await expect(listServices(address)).rejects.toThrow();
    const plain = transportOf(peer, PLAIN_TEXT.channelCredentials);
    plain.setPeers([{ id: self, address }]);
    await until(() => one.log.texts.some((text) => text.includes('does not speak TLS')));
    expect(received).toHaveLength(1);
  });

  it('inter_broker_tls.cert_path and inter_broker_tls.key_path are what peers are shown', async () => {
    const issued = authority.issue({ commonName: 'node-7' });
    const { port } = await serve(await Peer.create(issued));
    const socket = tls.connect({ port, host: '127.0.0.1', ca: [authority.cert], ALPNProtocols: ['h2'], ...authority.issue() });
    await once(socket, 'secureConnect');
    expect(socket.getPeerCertificate().subject.CN).toBe('node-7');
    socket.destroy();
    const shown: string[] = [];
    const strange = http2.createSecureServer({ ...serverOptions(authority.issue()), requestCert: true });
    strange.on('secureConnection', (client: tls.TLSSocket) => shown.push(String(client.getPeerCertificate().subject.CN)));
    strange.listen(0, '127.0.0.1');
    await once(strange, 'listening');
    cleanUps.push(() => void strange.close());
    const { security } = await Peer.create(issued);
    channelTo(`127.0.0.1:${(strange.address() as AddressInfo).port}`, security.channelCredentials).waitForReady(
      Infinity,
      () => undefined,
    );
    await until(() => shown.length > 0);
    expect(shown[0]).toBe('node-7');
  });

  it('counts what it refused, and tells when its certificate expires', async () => {
    const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 90 * DAY_MS);
    const peer = await Peer.create(authority.issue({ notAfter }));
    const { port } = await serve(peer);
    await knock(port, {});
    await peer.refusal();
    const text = formatFamilies(peer.security.collect());
    expect(text).toContain(
      `streamline_inter_broker_certificate_expiry_timestamp_seconds{process="test"} ${notAfter.getTime() / 1_000}\n`,
    );
    expect(text).toContain(
      'streamline_inter_broker_tls_failures_total{process="test",side="accept",reason="no_certificate"} 1\n',
    );
  });

  it('says nothing of those who only look whether somebody listens', async () => {
    const peer = await Peer.create();
    const { port } = await serve(peer);
    const probe = net.connect(port, '127.0.0.1');
    await once(probe, 'connect');
    probe.destroy();
    await knock(port, {});
    expect(await peer.refusal()).toContain('no_certificate');
    expect(peer.log.lines).toHaveLength(1);
  });
});

describe('a node that is connected to', () => {
  it.each<[string, tls.ConnectionOptions, RegExp]>([
    ['no certificate', {}, /^no_certificate: refused a connection from 127.0.0.1: it has no certificate/],
    [
      'a certificate of another authority',
      foreign.issue({ commonName: 'intruder' }),
      /^unknown_authority: .*its certificate \(intruder, issued by Other CA\) is not signed by an authority of inter_broker_tls.ca_cert_path$/,
    ],
    [
      'an expired certificate',
      authority.issue(EXPIRED),
      /^expired: .*issued by Test CA\).* has expired: it is valid until .*20\d\d/,
    ],
    [
      'a certificate that is not valid yet',
      authority.issue({ notBefore: new Date(Date.now() + DAY_MS) }),
      /^not_yet_valid: .*it is valid from .*20\d\d/,
    ],
    ['a certificate for servers only', authority.issue({ usages: ['server'] }), /^wrong_purpose: .*clientAuth$/],
    [
      'TLS 1.1',
      { ...authority.issue(), minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      /^tls_version: refused .*this one takes 1.2 or newer \(inter_broker_tls.min_version\)$/,
    ],
    ['another protocol inside', { ...authority.issue(), ALPNProtocols: ['http/1.1'] }, /^other: .*no application protocol$/],
  ])('refuses a peer with %s, and its log says which', async (_, options, expected) => {
    const peer = await Peer.create();
    const { port } = await serve(peer);
    await knock(port, options);
    expect(await peer.refusal()).toMatch(expected);
    // And goes on serving others.
    expect(await call(port, (await Peer.create()).security.channelCredentials)).toBe('secured');
  });

  it('inter_broker_tls.ca_cert_path is who signs the certificates of peers: others are refused', async () => {
    const peer = await Peer.create(authority.issue(), {}, foreign);
    const { port } = await serve(peer);
    await knock(port, authority.issue());
    expect(await peer.refusal()).toContain('unknown_authority');
    const accepted = await Peer.create(foreign.issue(), {}, authority);
    expect(await call(port, accepted.security.channelCredentials)).toBe('secured');
  });
});

describe('a node that connects', () => {
  async function refusalBy(peer: Peer, port: number, host = '127.0.0.1'): Promise<string> {
    await expect(call(port, peer.security.channelCredentials, host)).rejects.toMatchObject({ code: 'unavailable' });
    return peer.refusal();
  }

  it.each<[string, () => Promise<number>, RegExp]>([
    [
      'a certificate of another authority',
      () => strangeServer(serverOptions(foreign.issue())),
      /^unknown_authority: cannot connect to 127.0.0.1:\d+: its certificate \(node, issued by Other CA\) is not signed by an authority of/,
    ],
    [
      'an expired certificate',
      () => strangeServer(serverOptions(authority.issue(EXPIRED))),
      /^expired: cannot connect to .*has expired/,
    ],
    [
      'a certificate for another address',
      () => strangeServer(serverOptions(authority.issue({ hosts: ['node-2', '10.0.0.2'] }))),
      /^wrong_address: cannot connect to 127.0.0.1:\d+: its certificate \(node, issued by Test CA\) is for DNS:node-2, IP Address:10.0.0.2, not for the address that was dialled$/,
    ],
    [
      'a certificate for clients only',
      () => strangeServer(serverOptions(authority.issue({ usages: ['client'] }))),
      /^wrong_purpose: cannot connect/,
    ],
    [
      'TLS 1.1',
      () =>
        strangeServer({
          ...serverOptions(authority.issue()),
          ...{ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
        }),
      /^tls_version: cannot connect/,
    ],
    [
      'plain text',
      async () => (await serve({ security: PLAIN_TEXT as TlsSecurity })).port,
      /^plain_text: cannot connect .*does not speak TLS/,
    ],
  ])('refuses a peer with %s, and its log says which', async (_, start, expected) => {
    const peer = await Peer.create();
    expect(await refusalBy(peer, await start())).toMatch(expected);
  });

  it('binds a certificate to the name that is dialled, too', async () => {
    const named = await strangeServer(serverOptions(authority.issue({ hosts: ['127.0.0.1'] })));
    expect(await refusalBy(await Peer.create(), named, 'localhost')).toMatch(/^wrong_address: cannot connect to localhost:/);
    const { port } = await serve(await Peer.create(authority.issue({ hosts: ['localhost'] })));
    expect(await call(port, (await Peer.create()).security.channelCredentials, 'localhost')).toBe('secured');
  });

  it.each(['1.2', '1.3'] as const)('says that a peer may refuse its certificate, over TLS %s', async (version) => {
    const { port } = await serve(await Peer.create(authority.issue(), { minVersion: version }, foreign));
    const peer = await Peer.create(authority.issue(), { minVersion: version });
    expect(await refusalBy(peer, port)).toMatch(/^hung_up: cannot connect to 127.0.0.1:\d+: .*its log says why$/);
  });

  it('says nothing of connections that it closes itself', async () => {
    const { port } = await serve(await Peer.create());
    const peer = await Peer.create();
    const client = openChannel(`127.0.0.1:${port}`, peer.security.channelCredentials);
    await remotePort(RoleServiceDefinition, client).getStatus({});
    client.close();
    expect(await call(port, peer.security.channelCredentials)).toBe('secured');
    expect(peer.log.lines).toEqual([]);
  });
});

describe('the versions of TLS', () => {
  it('inter_broker_tls.min_version is the oldest version that is spoken, by whichever side', async () => {
    const old = { maxVersion: 'TLSv1.2' } as const;
    const lenient = await Peer.create();
    const strict = await Peer.create(authority.issue(), { minVersion: '1.3' });
    const oldServer = await strangeServer({ ...serverOptions(authority.issue()), ...old });
    const ready = (peer: Peer, withinMs: number): Promise<Error | undefined> =>
      new Promise((resolve) => {
        const client = channelTo(`127.0.0.1:${oldServer}`, peer.security.channelCredentials);
        client.waitForReady(Date.now() + withinMs, resolve);
      });
    expect(await ready(lenient, 60_000)).toBeUndefined();
    expect(await ready(strict, 1_000)).toBeInstanceOf(Error);
    expect(await strict.refusal()).toMatch(/^tls_version: cannot connect to .*this one takes 1.3 or newer/);

    const [lenientServer, strictServer] = [await Peer.create(), await Peer.create(authority.issue(), { minVersion: '1.3' })];
    const client = {
      ...authority.issue(),
      ...old,
      port: (await serve(lenientServer)).port,
      host: '127.0.0.1',
      ca: [authority.cert],
    };
    const socket = tls.connect({ ...client, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    expect(socket.getProtocol()).toBe('TLSv1.2');
    socket.destroy();
    await knock((await serve(strictServer)).port, { ...authority.issue(), ...old });
    expect(await strictServer.refusal()).toMatch(/^tls_version: refused a connection .*this one takes 1.3 or newer/);
  });
});

describe('inter_broker_tls.verify_peer', () => {
  const settings = { verifyPeer: false, caCertPath: undefined };

  it('inter_broker_tls.verify_peer false asks peers for no certificate and looks at none', async () => {
    const server = await Peer.create(foreign.issue(), settings);
    const { port } = await serve(server);
    const anybody = grpc.credentials.createSsl(Buffer.from(foreign.cert));
    expect(await call(port, anybody, 'localhost')).toBe('secured');
    await expect(call(port, PLAIN_TEXT.channelCredentials)).rejects.toMatchObject({ code: 'unavailable' });
    const careless = await Peer.create(authority.issue(), settings);
    expect(await call(port, careless.security.channelCredentials)).toBe('secured');
    const wrong = await strangeServer(serverOptions(foreign.issue({ ...EXPIRED, hosts: ['elsewhere'] })));
    const client = channelTo(`127.0.0.1:${wrong}`, careless.security.channelCredentials);
    const failure = await new Promise((resolve) => client.waitForReady(Date.now() + 60_000, resolve));
    expect(failure).toBeUndefined();
    expect(careless.log.lines).toEqual([]);
  });

  it('false still shows the own certificate to a peer that asks', async () => {
    const careless = await Peer.create(authority.issue(), settings);
    const { port } = await serve(await Peer.create());
    expect(await call(port, careless.security.channelCredentials)).toBe('secured');
  });
});

describe('certificates that change while the node runs', () => {
  let server: Peer;
  let client: Peer;
  let port: number;

  beforeEach(async () => {
    [server, client] = [await Peer.create(), await Peer.create()];
    ({ port } = await serve(server));
  });

  it('are used for new connections, in both directions, while open ones go on', async () => {
    const open = remotePort(RoleServiceDefinition, channelTo(`127.0.0.1:${port}`, client.security.channelCredentials));
    await open.getStatus({});
    // A new authority, as one is introduced: first all trust both, then all are signed by it, then the old one is dropped.
    server.files.write(authority.issue(), `${authority.cert}${foreign.cert}`);
    client.files.write(foreign.issue(), `${authority.cert}${foreign.cert}`);
    await server.reload();
    await client.reload();
    const late = await Peer.create(authority.issue(), {}, foreign);
    expect(await call(port, client.security.channelCredentials)).toBe('secured');
    await expect(call(port, late.security.channelCredentials)).rejects.toThrow();
    server.files.write(foreign.issue(), foreign.cert);
    await server.reload();
    expect(await call(port, client.security.channelCredentials)).toBe('secured');
    await expect(call(port, late.security.channelCredentials)).rejects.toThrow();
    expect(await server.refusal()).toContain('unknown_authority');
    expect((await open.getStatus({})).version).toBe('secured');
  });

  it('are kept where the new ones are broken', async () => {
    server.files.content.set(TLS_PATHS.certPath, 'broken');
    server.clock.advance(RELOAD_POLL_MS);
    await until(() => server.files.reads >= 6);
    await new Promise((resolve) => setImmediate(resolve));
    await server.reload();
    expect(server.log.texts[0]).toContain('are not used, the certificates from before are kept');
    expect(await call(port, client.security.channelCredentials)).toBe('secured');
  });
});

describe('certificates on a disk', () => {
  it('are found anew behind a link that is turned, as Kubernetes does', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'streamline-tls-'));
    cleanUps.push(() => rm(directory, { recursive: true }));
    const write = async (version: string, { cert, key }: IssuedCertificate): Promise<void> => {
      await mkdir(path.join(directory, version));
      await writeFile(path.join(directory, version, 'tls.crt'), cert);
      await writeFile(path.join(directory, version, 'tls.key'), key);
      await writeFile(path.join(directory, version, 'ca.crt'), authority.cert);
      await symlink(version, path.join(directory, '..data_tmp'));
      await rename(path.join(directory, '..data_tmp'), path.join(directory, '..data'));
    };
    await write('..one', authority.issue({ commonName: 'one' }));
    const at = (name: string): string => path.join(directory, name);
    for (const name of ['tls.crt', 'tls.key', 'ca.crt']) await symlink(path.join('..data', name), at(name));
    const [log, clock] = [new ToldLog(), new VirtualClock(Date.now())];
    const security = await TlsSecurity.open({
      settings: { ...SETTINGS, certPath: at('tls.crt'), keyPath: at('tls.key'), caCertPath: at('ca.crt') },
      ...{ host: '127.0.0.1', process: 'test', clock, logger: log },
    });
    cleanUps.push(() => security.close());
    const { port } = await serve({ security });
    await write('..two', authority.issue({ commonName: 'two' }));
    clock.advance(RELOAD_POLL_MS);
    await until(() => log.texts.some((text) => text.includes('were read anew')));
    const socket = tls.connect({ port, host: '127.0.0.1', ca: [authority.cert], ALPNProtocols: ['h2'], ...authority.issue() });
    await once(socket, 'secureConnect');
    expect(socket.getPeerCertificate().subject.CN).toBe('two');
    socket.destroy();
  });
});
