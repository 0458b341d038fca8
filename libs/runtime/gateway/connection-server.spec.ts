import { connect, Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import {
  ConnectionEnd,
  type Answer,
  type Completion,
  type ConnectionFacts,
  type RequestKind,
  type RequestProcessor,
} from './connection';
import { DEFAULT_CONNECTION_LIMITS, type ConnectionLimits } from './connection-limits';
import { ConnectionServer } from './connection-server';
import { GatewayMetrics } from './gateway-metrics';
import { InFlightBudget } from './in-flight-budget';
import { RateLimitedLog } from './rate-limited-log';

/** A request under way in {@link FakeProcessor}. */
interface Started {
  readonly name: string;
  readonly connection: ConnectionFacts;
  answer(answer?: Answer): void;
  fail(error: Error): void;
}

/** Requests are text: the first letter is the turn (s, p for parked, w for pipelined), `!` ends the connection. */
class FakeProcessor implements RequestProcessor {
  readonly started: Started[] = [];
  private watchers: (() => void)[] = [];
  kindOf(frame: Buffer): RequestKind {
    const letter = frame.toString('latin1', 0, 1);
    return { key: 1, turn: letter === 'w' ? 'pipelined' : letter === 'p' ? 'parked' : 'serial' };
  }
  process(frame: Buffer, connection: ConnectionFacts, completion: Completion): void {
    const name = frame.toString('latin1', 0, 32);
    if (name.startsWith('!')) throw new ConnectionEnd('violation', 'told to');
    if (name.startsWith('now')) completion.answer(framed(name));
    else if (name.startsWith('mute')) completion.answer(undefined);
    else {
      const answer = (bytes: Answer = framed(name)): void => completion.answer(bytes);
      this.started.push({ name, connection, answer, fail: (error) => completion.fail(error) });
      for (const watcher of this.watchers) watcher();
    }
  }
  /** Resolves when so many requests were started since the beginning. */
  async whenStarted(count: number): Promise<void> {
    while (this.started.length < count) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }
  get names(): string[] {
    return this.started.map((request) => request.name);
  }
  byName(name: string): Started {
    const found = this.started.find((request) => request.name === name);
    if (found === undefined) throw new Error(`${name} was not started`);
    return found;
  }
}

function framed(body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

class Client {
  received = Buffer.alloc(0);
  closed = false;
  private watchers: (() => void)[] = [];
  constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }
  static async connect(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Client(socket);
  }
  send(...bodies: string[]): void {
    this.socket.write(Buffer.concat(bodies.map((body) => framed(body))));
  }
  get answers(): string[] {
    const all: string[] = [];
    for (let at = 0; at + 4 <= this.received.length;) {
      const length = this.received.readInt32BE(at);
      if (at + 4 + length > this.received.length) break;
      all.push(this.received.toString('latin1', at + 4, at + 4 + length));
      at += 4 + length;
    }
    return all;
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }
  private wake(): void {
    const watchers = this.watchers;
    this.watchers = [];
    for (const watcher of watchers) watcher();
  }
}

interface Bench {
  readonly clock: VirtualClock;
  readonly processor: FakeProcessor;
  readonly server: ConnectionServer;
  readonly metrics: GatewayMetrics;
  readonly budget: InFlightBudget;
  readonly lines: { event: string; reason?: string }[];
  readonly port: number;
  client(): Promise<Client>;
}

const benches: { bench: Bench; clients: Client[] }[] = [];

async function startBench(limits: Partial<ConnectionLimits> = {}): Promise<Bench> {
  const all = { ...DEFAULT_CONNECTION_LIMITS, ...limits };
  const clock = new VirtualClock();
  const processor = new FakeProcessor();
  const metrics = new GatewayMetrics();
  const budget = new InFlightBudget(all.totalInFlightBytes, all.totalUnsentBytes);
  const lines: { event: string; reason?: string }[] = [];
  const take = (fields: object) => void lines.push(fields as { event: string; reason?: string });
  const log = new RateLimitedLog({ info: take, warn: take, error: take }, () => clock.monotonicMs(), 5);
  const server = new ConnectionServer({ limits: all, clock, processor, budget, metrics, log });
  const port = await server.listen('127.0.0.1', 0);
  const clients: Client[] = [];
  const client = async () => {
    const fresh = await Client.connect(port);
    clients.push(fresh);
    return fresh;
  };
  const bench = { clock, processor, server, metrics, budget, lines, port, client };
  benches.push({ bench, clients });
  return bench;
}

/** Turns of the event loop until something outside of our reach (the other end of a socket) has happened. */
async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

afterEach(async () => {
  for (const { bench, clients } of benches.splice(0)) {
    for (const client of clients) client.socket.destroy();
    for (const request of bench.processor.started) request.answer();
    const stopped = bench.server.stop(AbortSignal.abort());
    bench.clock.advance(10_000);
    await stopped;
  }
});

describe('order on one connection', () => {
  it('answers pipelined requests in the order of their arrival, whatever order they are done in', async () => {
    const { client, processor } = await startBench();
    const peer = await client();
    peer.send('w1', 'w2', 'w3');
    await processor.whenStarted(3);
    processor.byName('w3').answer();
    processor.byName('w2').answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(peer.answers).toEqual([]);
    processor.byName('w1').answer();
    await peer.until(() => peer.answers.length === 3);
    expect(peer.answers).toEqual(['w1', 'w2', 'w3']);
  });

  it('starts a serial request only when all before it are answered', async () => {
    const { client, processor } = await startBench();
    const peer = await client();
    peer.send('w1', 'w2', 's3', 'w4');
    await processor.whenStarted(2);
    processor.byName('w2').answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(processor.names).toEqual(['w1', 'w2']);
    processor.byName('w1').answer();
    await processor.whenStarted(3);
    expect(processor.names).toEqual(['w1', 'w2', 's3']);
    processor.byName('s3').answer();
    await processor.whenStarted(4);
    processor.byName('w4').answer();
    await peer.until(() => peer.answers.length === 4);
    expect(peer.answers).toEqual(['w1', 'w2', 's3', 'w4']);
  });

  it('lets a parked request hold up its own connection only', async () => {
    const { client, processor } = await startBench();
    const [slow, quick] = [await client(), await client()];
    slow.send('p1', 's2');
    await processor.whenStarted(1);
    quick.send('now');
    await quick.until(() => quick.answers.length === 1);
    expect(processor.names).toEqual(['p1']);
    processor.byName('p1').answer();
    await processor.whenStarted(2);
    processor.byName('s2').answer();
    await slow.until(() => slow.answers.length === 2);
    expect(slow.answers).toEqual(['p1', 's2']);
  });

  it('goes on after a request that has no answer (acks=0)', async () => {
    const { client } = await startBench();
    const peer = await client();
    peer.send('mute', 'now 1', 'mute', 'now 2');
    await peer.until(() => peer.answers.length === 2);
    expect(peer.answers).toEqual(['now 1', 'now 2']);
  });

  it('answers what came before a violation, then closes with one logged reason', async () => {
    const { client, processor, lines } = await startBench();
    const peer = await client();
    peer.send('w1', 'w2');
    await processor.whenStarted(2);
    peer.send('s!');
    peer.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    processor.byName('w1').answer();
    processor.byName('w2').answer();
    await processor.whenStarted(3);
    processor.byName('s!').answer();
    await peer.until(() => peer.closed);
    expect(peer.answers).toEqual(['w1', 'w2', 's!']);
    expect(lines).toMatchObject([{ event: 'connection-closed-violation', reason: expect.stringContaining('negative length') }]);
  });

  it('closes the connection when a request rejects, after the answers before it', async () => {
    const { client, processor, metrics } = await startBench();
    const peer = await client();
    peer.send('w1', 'w2', 'w3');
    await processor.whenStarted(3);
    processor.byName('w2').fail(new ConnectionEnd('unanswerable', 'acks=0'));
    processor.byName('w1').answer();
    processor.byName('w3').answer();
    await peer.until(() => peer.closed);
    expect(peer.answers[0]).toBe('w1');
    expect(metrics.closes().get('unanswerable')).toBe(1);
  });

  it('sends no answer behind one that it owes and does not have', async () => {
    const { client, processor, metrics } = await startBench();
    const peer = await client();
    peer.send('w1', 'w2', 'w3', 'w4');
    await processor.whenStarted(4);
    processor.byName('w3').answer();
    processor.byName('w2').fail(new Error('a defect'));
    processor.byName('w4').answer();
    processor.byName('w1').answer();
    await peer.until(() => peer.closed);
    expect(peer.answers).toEqual(['w1']);
    expect(metrics.closes().get('internal')).toBe(1);
  });

  it('starts all that a client sent before its end, which for acks=0 is all that it does', async () => {
    const { client, processor, metrics, server } = await startBench({ maxInFlightRequests: 2 });
    const peer = await client();
    peer.socket.end(Buffer.concat(['w1', 'w2', 'w3', 'p4', 'w5'].map((body) => framed(body))));
    await processor.whenStarted(2);
    const { signal } = processor.byName('w1').connection;
    await turnsUntil(() => signal.aborted);
    for (const [i, name] of ['w1', 'w2', 'w3', 'p4', 'w5'].entries()) {
      await processor.whenStarted(i + 1);
      processor.byName(name).answer();
    }
    await turnsUntil(() => server.openConnections === 0);
    expect(metrics.closes().get('client')).toBe(1);
  });
});

/** A connection that breaks under the first answer. */
class BreakingSocket extends Socket {
  override _write(_chunk: unknown, _encoding: string, done: (error: Error) => void): void {
    setImmediate(() => done(new Error('EPIPE')));
  }
}

describe('bounds of one connection', () => {
  it('gives back what it held of the answers when a write fails', async () => {
    const { server, budget, metrics } = await startBench();
    const socket = new BreakingSocket();
    server.accept(socket);
    socket.emit('data', Buffer.concat([framed('now 1'), framed('now 2')]));
    expect(budget.unsentBytes).toBe(18);
    await turnsUntil(() => server.openConnections === 0);
    expect(metrics.closes().get('socket-error')).toBe(1);
    expect([budget.unsentBytes, budget.requestBytes]).toEqual([0, 0]);
  });

  it('starts no more than maxInFlightRequests', async () => {
    const { client, processor } = await startBench({ maxInFlightRequests: 3 });
    const peer = await client();
    peer.send('w1', 'w2', 'w3', 'w4', 'w5');
    await processor.whenStarted(3);
    expect(processor.names).toEqual(['w1', 'w2', 'w3']);
    processor.byName('w1').answer();
    await processor.whenStarted(4);
    expect(processor.names).toEqual(['w1', 'w2', 'w3', 'w4']);
  });

  it('starts no more than maxInFlightBytes, but one request alone whatever its size', async () => {
    const { client, processor } = await startBench({ maxInFlightBytes: 1000 });
    const peer = await client();
    const big = `w1${'x'.repeat(5000)}`;
    peer.send(big, 'w2');
    await processor.whenStarted(1);
    expect(processor.names).toHaveLength(1);
    processor.started[0]?.answer(framed('w1'));
    await processor.whenStarted(2);
    processor.byName('w2').answer();
    await peer.until(() => peer.answers.length === 2);
  });

  it('stops reading a client that floods, so that its memory stays bounded', async () => {
    const { client, processor, budget, metrics } = await startBench({ maxInFlightRequests: 4 });
    const peer = await client();
    const flood = framed(`w${'y'.repeat(60_000)}`);
    let accepted = 0;
    while (accepted < 4000 && peer.socket.write(flood)) accepted++;
    await processor.whenStarted(4);
    await turnsUntil(() => metrics.pauses > 0);
    for (let i = 0; i < 200; i++) {
      peer.socket.write(flood);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(budget.requestBytes).toBeLessThan(4 * 60_100 + 3 * 65_536);
    expect(processor.started).toHaveLength(4);
  });

  it('starts nothing for a client that does not take its answers, and closes it after the deadline', async () => {
    const { client, processor, clock, lines, budget } = await startBench({ maxUnsentBytes: 100_000, writeDeadlineMs: 5000 });
    const peer = await client();
    peer.socket.pause();
    const answer = Buffer.alloc(1_000_000);
    answer.writeInt32BE(answer.length - 4);
    let started = 0;
    for (; budget.unsentBytes === 0; started++) {
      peer.send(`s${started}`);
      await processor.whenStarted(started + 1);
      processor.started[started]?.answer(answer);
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    peer.send('s-next');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(processor.names).not.toContain('s-next');
    clock.advance(4000);
    expect(lines).toEqual([]);
    clock.advance(3000);
    expect(lines).toMatchObject([{ event: 'connection-closed-slow-reader' }]);
    expect(budget.unsentBytes).toBe(0);
  });

  it('closes a connection whose frame does not arrive (slow loris), and not one that merely has many requests', async () => {
    const { client, clock, lines, metrics, server } = await startBench({ frameGraceMs: 2000, frameMinBytesPerSecond: 1000 });
    const loris = await client();
    const busy = await client();
    loris.socket.write(Buffer.from([0, 0]));
    busy.socket.write(framed('now 0').subarray(0, 6));
    await turnsUntil(() => metrics.bytesIn === 8);
    for (let i = 0; i < 5; i++) {
      clock.advance(1500);
      const rest = Buffer.concat([framed(`now ${i}`).subarray(6), framed(`now ${i + 1}`).subarray(0, 6)]);
      busy.socket.write(rest);
      await busy.until(() => busy.answers.length === i + 1);
    }
    await loris.until(() => loris.closed);
    expect(lines).toMatchObject([{ event: 'connection-closed-slow-request' }]);
    expect(server.openConnections).toBe(1);
  });

  it('counts a frame as slow from when its turn to be read came, not while it lay behind a long poll', async () => {
    const { client, clock, processor, metrics, lines } = await startBench({ frameGraceMs: 2000, frameMinBytesPerSecond: 1000 });
    const peer = await client();
    const frames = Buffer.concat([framed('p1'), framed('now 2'), framed('now 3')]);
    peer.socket.write(frames.subarray(0, frames.length - 2));
    await turnsUntil(() => metrics.bytesIn === frames.length - 2);
    clock.advance(60_000);
    processor.byName('p1').answer();
    await peer.until(() => peer.answers.length === 2);
    clock.advance(1500);
    expect(lines).toEqual([]);
    peer.socket.write(frames.subarray(frames.length - 2));
    await peer.until(() => peer.answers.length === 3);
    expect(peer.answers).toEqual(['p1', 'now 2', 'now 3']);
  });

  it('hears of the end of a client whose requests wait, and keeps what it sent before', async () => {
    const { client, processor, metrics, server } = await startBench();
    const peer = await client();
    peer.send('p1', 's2');
    await processor.whenStarted(1);
    expect(processor.byName('p1').connection.signal.aborted).toBe(false);
    for (let i = 3; i < 40; i++) peer.send(`now ${i}`);
    peer.socket.end();
    await turnsUntil(() => processor.byName('p1').connection.signal.aborted);
    expect(metrics.pauses).toBe(0);
    processor.byName('p1').answer();
    await processor.whenStarted(2);
    processor.byName('s2').answer();
    await turnsUntil(() => server.openConnections === 0);
    // All 39 were started: none is missing in the count.
    expect(metrics.apis()[0]?.requests).toBe(39);
  });

  it('closes an idle connection, but none that waits for an answer', async () => {
    const { client, clock, processor, metrics, server } = await startBench({ idleMs: 10_000 });
    const [idle, waiting] = [await client(), await client()];
    waiting.send('p1');
    await processor.whenStarted(1);
    await turnsUntil(() => server.openConnections === 2);
    clock.advance(12_000);
    await idle.until(() => idle.closed);
    expect(metrics.closes().get('idle')).toBe(1);
    processor.byName('p1').answer();
    await waiting.until(() => waiting.answers.length === 1);
  });
});

describe('answers that never come', () => {
  it('end the connection, after longer where a request may wait', async () => {
    const { client, clock, processor, lines, server } = await startBench({ answerDeadlineMs: 5000, parkedDeadlineMs: 50_000 });
    const [lost, parked] = [await client(), await client()];
    lost.send('w1');
    parked.send('p2');
    await processor.whenStarted(2);
    clock.advance(4000);
    expect(server.openConnections).toBe(2);
    clock.advance(3000);
    await lost.until(() => lost.closed);
    expect(lines).toMatchObject([{ event: 'connection-failed' }]);
    expect(server.openConnections).toBe(1);
    clock.advance(50_000);
    await parked.until(() => parked.closed);
  });
});

describe('bounds of all connections', () => {
  it('refuses connections above max.connections and above max.connections.per.ip, and says so', async () => {
    const { client, server, lines, metrics } = await startBench({ maxConnectionsPerIp: 2 });
    const [first, second] = [await client(), await client()];
    await turnsUntil(() => server.openConnections === 2);
    const third = await client();
    await third.until(() => third.closed);
    expect(lines).toMatchObject([{ event: 'connection-refused', reason: 'max.connections.per.ip' }]);
    expect(metrics.connectionsRefused).toBe(1);
    first.socket.destroy();
    await turnsUntil(() => server.openConnections === 1);
    const fourth = await client();
    fourth.send('now');
    await fourth.until(() => fourth.answers.length === 1);
    expect(second.closed).toBe(false);
  });

  it('keeps within its budget while frames fill up on many connections, and still completes each', async () => {
    const frameBytes = 300_000;
    const { client, budget, processor } = await startBench({ totalInFlightBytes: 600_000 });
    const peers = [];
    for (let i = 0; i < 6; i++) peers.push(await client());
    let highest = 0;
    const bodies = peers.map((_, i) => `now ${i}${'z'.repeat(frameBytes)}`);
    const watch = setInterval(() => (highest = Math.max(highest, budget.requestBytes)), 0);
    for (const [i, peer] of peers.entries()) peer.socket.write(framed(bodies[i] ?? '').subarray(0, 200_000));
    await turnsUntil(() => budget.requestBytes >= 600_000);
    for (const [i, peer] of peers.entries()) peer.socket.write(framed(bodies[i] ?? '').subarray(200_000));
    for (const peer of peers) await peer.until(() => peer.answers.length === 1);
    clearInterval(watch);
    expect(highest).toBeLessThan(600_000 + frameBytes + 6 * 65_536);
    expect(budget.requestBytes).toBe(0);
    expect(processor.started).toEqual([]);
  });

  it('gives back what a connection held when it goes', async () => {
    const { client, budget, processor, server } = await startBench();
    const peer = await client();
    peer.send('w1', 's2');
    peer.socket.write(Buffer.from([0, 0, 1, 0, 5, 5]));
    await processor.whenStarted(1);
    expect(processor.byName('w1').connection.signal.aborted).toBe(false);
    peer.socket.destroy();
    processor.byName('w1').answer();
    await turnsUntil(() => server.openConnections === 0);
    expect(processor.byName('w1').connection.signal.aborted).toBe(true);
    for (const request of processor.started) request.answer();
    await turnsUntil(() => budget.requestBytes === 0);
    expect(budget.unsentBytes).toBe(0);
  });
});

describe('stop', () => {
  it('finishes what is in flight, ends long polls, takes nothing new', async () => {
    const { client, processor, server, port } = await startBench();
    const [busy, parked, idle] = [await client(), await client(), await client()];
    busy.send('w1');
    parked.send('p2');
    await processor.whenStarted(2);
    const stopped = server.stop(new AbortController().signal);
    await parked.until(() => parked.closed);
    await idle.until(() => idle.closed);
    expect(processor.byName('p2').connection.signal.aborted).toBe(true);
    expect(busy.closed).toBe(false);
    processor.byName('w1').answer();
    await stopped;
    await busy.until(() => busy.closed);
    expect(busy.answers).toEqual(['w1']);
    await expect(Client.connect(port)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('cuts off what is not done at the deadline', async () => {
    const { client, processor, server } = await startBench();
    const busy = await client();
    busy.send('w1');
    await processor.whenStarted(1);
    const deadline = new AbortController();
    const stopped = server.stop(deadline.signal);
    deadline.abort();
    await stopped;
    await busy.until(() => busy.closed);
    expect(busy.answers).toEqual([]);
  });
});

describe('writes', () => {
  it('sends a large answer whole and in order, behind small ones', async () => {
    const { client, processor } = await startBench();
    const peer = await client();
    const body = Buffer.alloc(5_000_000, 'abcdefghij');
    peer.send('w1', 'w2', 'w3');
    await processor.whenStarted(3);
    const large = framed(body);
    processor.byName('w2').answer([large.subarray(0, 10), large.subarray(10, 3_000_000), large.subarray(3_000_000)]);
    processor.byName('w3').answer();
    processor.byName('w1').answer();
    await peer.until(() => peer.received.length === 4 + 2 + large.length + 4 + 2);
    const [first, second, third] = peer.answers;
    expect([first, third]).toEqual(['w1', 'w3']);
    expect(second === body.toString('latin1')).toBe(true);
  });
});
