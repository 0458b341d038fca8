import type { ServerWritableStream } from '@grpc/grpc-js';

/** Writes a port's async iterable to a call, no faster than the caller takes it, and stops it when the caller goes. */
export async function pumpStream(values: AsyncIterable<unknown>, call: ServerWritableStream<unknown, unknown>): Promise<void> {
  const iterator = values[Symbol.asyncIterator]();
  const gone = new Promise<'gone'>((resolve) => call.once('cancelled', () => resolve('gone')));
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), gone]);
      if (next === 'gone' || next.done) break;
      if (!call.write(next.value)) {
        const drained = new Promise<'drained'>((resolve) => call.once('drain', () => resolve('drained')));
        if ((await Promise.race([drained, gone])) === 'gone') break;
      }
    }
    if (!call.cancelled) call.end();
  } finally {
    await iterator.return?.();
  }
}
