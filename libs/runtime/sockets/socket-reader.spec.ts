import { once } from 'node:events';
import { connect, createServer, Socket, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '@streamline/testing/time/until';
import { readInto, type Receiver } from './socket-reader';

/** Reads into one small buffer, and keeps what came as text. */
class Recorder implements Receiver {
  text = '';
  reads = 0;
  onRead: () => void = () => undefined;
  readonly buffer = Buffer.alloc(8);
  space(): Buffer {
    return this.buffer;
  }
  received(buffer: Buffer, bytes: number): void {
    this.text += buffer.toString('latin1', 0, bytes);
    this.reads += 1;
    this.onRead();
  }
}

let server: Server | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  const closed = server === undefined || once(server, 'close');
  server?.close();
  await closed;
});

/** A client, and the end of its connection as it was accepted. */
async function connected(): Promise<{ client: Socket; accepted: Socket }> {
  const listening = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server = listening;
  await once(listening.listen(0, '127.0.0.1'), 'listening');
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepting = once(listening, 'connection');
  const client = connect(address.port, '127.0.0.1');
  const accepted: unknown = (await accepting)[0];
  if (!(accepted instanceof Socket)) throw new Error('no socket');
  client.on('error', () => undefined);
  sockets.push(client, accepted);
  return { client, accepted };
}

describe('readInto', () => {
  it('lets an accepted socket read into the space of its receiver', async () => {
    const { client, accepted } = await connected();
    const recorder = new Recorder();
    const socket = readInto(recorder, accepted);
    sockets.push(socket);
    expect(socket).not.toBe(accepted);
    expect([socket.remotePort, socket.allowHalfOpen]).toEqual([client.localPort, true]);
    client.write('more bytes than the buffer takes at once');
    await until(() => recorder.text.endsWith('at once'));
    expect(recorder.text).toBe('more bytes than the buffer takes at once');
    expect(recorder.reads).toBeGreaterThanOrEqual(5);
  });

  it('reads nothing while it is paused, be it from within a read', async () => {
    const { client, accepted } = await connected();
    const recorder = new Recorder();
    const socket = readInto(recorder, accepted);
    sockets.push(socket);
    recorder.onRead = () => socket.pause();
    client.write('x'.repeat(100));
    await until(() => recorder.reads === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(recorder.text).toHaveLength(8);
    recorder.onRead = () => undefined;
    socket.resume();
    await until(() => recorder.text.length === 100);
  });

  it('tells the end of the client and can still answer', async () => {
    const { client, accepted } = await connected();
    const recorder = new Recorder();
    const socket = readInto(recorder, accepted);
    sockets.push(socket);
    const answers: Buffer[] = [];
    client.on('data', (chunk: Buffer) => answers.push(chunk));
    client.end('last');
    await once(socket, 'end');
    expect(recorder.text).toBe('last');
    socket.end('answer');
    await once(socket, 'close');
    await until(() => String(Buffer.concat(answers)) === 'answer');
  });

  it('tells a reset as an error and closes', async () => {
    const { client, accepted } = await connected();
    const socket = readInto(new Recorder(), accepted);
    const failed = once(socket, 'error');
    client.resetAndDestroy();
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
    if (!socket.closed) await once(socket, 'close');
  });

  it('takes what other kinds of sockets bring, in memory of their own', async () => {
    class OtherSocket extends Socket {}
    const recorder = new Recorder();
    const socket = new OtherSocket();
    sockets.push(socket);
    expect(readInto(recorder, socket)).toBe(socket);
    socket.emit('data', Buffer.from('a chunk larger than any space'));
    expect(recorder.text).toBe('a chunk larger than any space');
  });
});
