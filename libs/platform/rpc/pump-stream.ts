import type { ServerWritableStream } from '@grpc/grpc-js';

/** Writes a port's async iterable to a call, no faster than the caller takes it, and stops it when the caller goes. */
export async function pumpStream(values: AsyncIterable<unknown>, call: ServerWritableStream<unknown, unknown>): Promise<void> {
  const iterator = values[Symbol.asyncIterator]();
  const caller = new Caller(call);
  try {
    for (;;) {
      const next = await caller.unlessGone(iterator.next());
      if (next === 'gone' || next.done) break;
      if (!call.write(next.value)) {
        const drained = new Promise<'drained'>((resolve) => call.once('drain', () => resolve('drained')));
        if ((await caller.unlessGone(drained)) === 'gone') break;
      }
    }
    if (!call.cancelled) call.end();
  } finally {
    await iterator.return?.();
  }
}

/** Tells when the caller goes. Not with Promise.race: what is raced against for days keeps each of the others for as long. */
class Caller {
  private isGone = false;
  private leave: () => void = () => undefined;

  constructor(call: ServerWritableStream<unknown, unknown>) {
    call.once('cancelled', () => {
      this.isGone = true;
      this.leave();
    });
  }

  unlessGone<T>(promise: Promise<T>): Promise<T | 'gone'> {
    return new Promise((resolve, reject) => {
      this.leave = () => resolve('gone');
      promise.then(resolve, reject);
      if (this.isGone) this.leave();
    });
  }
}
