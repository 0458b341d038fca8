import * as grpc from '@grpc/grpc-js';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import { TailMemory } from '@streamline/runtime/log/tail-memory';
import type { PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import { checkHealth } from '@streamline/testing/grpc/generic-client';
import { TestAuthority } from '@streamline/testing/tls/test-authority';
import { TLS_PATHS, TlsFilesInMemory } from '@streamline/testing/tls/tls-files-in-memory';
import { ToldLog } from '@streamline/testing/tls/told-log';
import { until } from '@streamline/testing/time/until';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { HealthService } from '../rpc/health-service';
import type { InterBrokerListener, InterBrokerSecurity } from '../security/inter-broker-security';
import { PLAIN_TEXT } from '../security/plain-text';
import { TlsSecurity } from '../security/tls-security';
import { Links } from './links';

/** Keeps what it is told. */
class Told implements PeerStreamEvents {
  readonly frames: string[] = [];
  readonly ends: string[] = [];
  /** Of each large frame: the byte that it is made of; -1 where it is made of several. */
  readonly filledWith: number[] = [];
  drains = 0;

  constructor(private readonly whileTold: () => void = () => undefined) {}

  onFrame(frame: Buffer): void {
    const [first = -1] = frame;
    if (frame.length > 100) this.filledWith.push(frame.every((byte) => byte === first) ? first : -1);
    this.frames.push(frame.length > 100 ? `${frame.length} bytes` : frame.toString());
    this.whileTold();
  }

  onDrain(): void {
    this.drains += 1;
  }

  onEnd(reason: string): void {
    this.ends.push(reason);
  }
}

async function mutualTls(): Promise<InterBrokerSecurity> {
  const authority = new TestAuthority();
  const files = new TlsFilesInMemory(authority.issue(), authority.cert);
  return TlsSecurity.open({
    ...{ settings: { ...TLS_PATHS, verifyPeer: true, minVersion: '1.2' }, host: '127.0.0.1', process: 'test' },
    ...{ clock: new VirtualClock(Date.now()), logger: new ToldLog(), readFile: files.readFile },
  });
}

const KINDS: readonly [string, () => Promise<InterBrokerSecurity>, boolean][] = [
  ['in plain text', () => Promise.resolve(PLAIN_TEXT), false],
  ['in plain text, with memory of the log', () => Promise.resolve(PLAIN_TEXT), true],
  ['over TLS', mutualTls, false],
];

describe.each(KINDS)('links %s', (_kind, securityOf, hasRecords) => {
  const clock = new VirtualClock(0);
  const tail = new TailMemory(1 << 20, clock);
  const records = (): RecordMemory | undefined => (hasRecords ? tail : undefined);
  let security: InterBrokerSecurity;
  let server: grpc.Server;
  let listener: InterBrokerListener;
  let links: Links;
  let address: string;
  let accepted: { stream: PeerStream; told: Told }[];
  let refusal: Error | undefined;

  beforeEach(async () => {
    accepted = [];
    refusal = undefined;
    security = await securityOf();
    links = new Links({ security, clock, records });
    server = new grpc.Server();
    const health = new HealthService([]);
    health.addToServer(server);
    health.setServing(true, '');
    const accept = (stream: PeerStream): Told => {
      if (refusal !== undefined) throw refusal;
      const told = new Told();
      accepted.push({ stream, told });
      return told;
    };
    listener = await security.listen(server, '127.0.0.1', 0, (socket: Socket, first) => links.take(socket, first, accept));
    address = `127.0.0.1:${listener.port}`;
  });

  afterEach(() => {
    listener.close();
    server.forceShutdown();
    links.close();
    security.close();
  });

  /** A link of which both ends are there. */
  async function connected(told = new Told()) {
    const before = accepted.length;
    const stream = links.dial(address, told);
    stream.write(Buffer.from('hello'));
    await until(() => accepted[before]?.told.frames.length === 1);
    const far = accepted[before];
    if (far === undefined) throw new Error('nobody took the link');
    return { stream, told, far };
  }

  it('carry frames both ways, whole and in order', async () => {
    const { stream, told, far } = await connected();
    const sent = ['a', 'b', '', 'c'];
    for (const text of sent) {
      stream.write(Buffer.from(text));
      far.stream.write(Buffer.from(text.toUpperCase()));
    }
    for (const sizeBytes of [20_000, 3 << 20, 700_000, 65_536, 101]) {
      stream.write(Buffer.alloc(sizeBytes, sizeBytes & 0x7f));
      far.stream.write(Buffer.alloc(sizeBytes, sizeBytes & 0x7f));
    }
    stream.write(Buffer.from('end'));
    far.stream.write(Buffer.from('end'));
    await until(() => told.frames.at(-1) === 'end' && far.told.frames.at(-1) === 'end');
    const large = ['20000 bytes', `${3 << 20} bytes`, '700000 bytes', '65536 bytes', '101 bytes', 'end'];
    expect(told.frames).toEqual(['A', 'B', '', 'C', ...large]);
    expect(far.told.frames).toEqual(['hello', ...sent, ...large]);
    expect([told.filledWith, far.told.filledWith]).not.toContain(-1);
    stream.close();
  });

  it('have no more use for the memory of a frame once they say so', async () => {
    const { stream, told, far } = await connected();
    const sizeBytes = 300_000;
    const count = 40;
    const memory: Buffer[] = [];
    const sendFrom = (from: PeerStream, kind: number): void => {
      for (let at = 0; at < count; at += 1) {
        const frame = memory.pop() ?? Buffer.alloc(sizeBytes);
        frame.fill(kind + at);
        from.write(frame, () => memory.push(frame.fill(0xff)));
      }
    };
    sendFrom(stream, 0);
    sendFrom(far.stream, 100);
    await until(() => told.frames.length === count && far.told.frames.length === 1 + count && memory.length === 2 * count);
    expect(told.filledWith).toEqual(Array.from({ length: count }, (_, at) => 100 + at));
    expect(far.told.filledWith).toEqual(Array.from({ length: count }, (_, at) => at));
    stream.close();
  });

  it('tell the other side once that they are closed, and the closing side nothing', async () => {
    const one = await connected();
    one.stream.close();
    await until(() => one.far.told.ends.length > 0);
    const other = await connected();
    other.far.stream.write(Buffer.from('why'));
    other.far.stream.close();
    await until(() => other.told.ends.length > 0);
    expect(other.told.frames).toEqual(['why']);
    expect([one.told.ends, other.far.told.ends]).toEqual([[], []]);
    expect([one.far.told.ends.length, other.told.ends.length]).toEqual([1, 1]);
  });

  it('may be closed by whoever is told of a frame, and tells of no further one', async () => {
    const closing: { stream?: PeerStream } = {};
    const told = new Told(() => closing.stream?.close());
    const { stream, far } = await connected(told);
    closing.stream = stream;
    for (const text of ['last', 'lost', 'lost too']) far.stream.write(Buffer.from(text));
    await until(() => far.told.ends.length > 0);
    expect(told.frames).toEqual(['last']);
    expect(told.ends).toEqual([]);
  });

  it('are refused by what the role throws that takes them', async () => {
    refusal = new Error('not started');
    const told = new Told();
    links.dial(address, told).write(Buffer.from('hello'));
    await until(() => told.ends.length > 0);
    expect([told.frames, told.ends.length]).toEqual([[], 1]);
  });

  it('say why nobody could be reached', async () => {
    listener.close();
    const told = new Told();
    links.dial(address, told);
    await until(() => told.ends.length > 0);
    expect(told.ends[0]).toMatch(/ECONNREFUSED/);
  });

  it('hold a sender back that is faster than they are', async () => {
    const { stream, told, far } = await connected();
    const frame = Buffer.alloc(1 << 20);
    let sent = 0;
    while (stream.write(frame)) sent += 1;
    await until(() => told.drains > 0);
    await until(() => far.told.frames.length >= sent);
    stream.close();
  });

  it('share the port with gRPC', async () => {
    const { stream } = await connected();
    expect(await checkHealth(address, '', security.channelCredentials)).toBe('SERVING');
    stream.close();
  });
});

describe('the inter-broker port', () => {
  let server: grpc.Server;
  let listener: InterBrokerListener;

  beforeEach(async () => {
    server = new grpc.Server();
    listener = await PLAIN_TEXT.listen(server, '127.0.0.1', 0);
  });

  afterEach(() => {
    listener.close();
    server.forceShutdown();
  });

  async function connect(): Promise<Socket> {
    const socket = net.connect({ host: '127.0.0.1', port: listener.port });
    await once(socket, 'connect');
    return socket.resume().on('error', () => undefined);
  }

  it('cuts a link where nobody takes links', async () => {
    const socket = await connect();
    socket.write(Buffer.from([0, 0, 0, 1, 0]));
    await once(socket, 'close');
  });

  it('cuts what has said nothing yet when it is closed', async () => {
    const socket = await connect();
    listener.close();
    await once(socket, 'close');
  });
});
