import { FrameAssembler } from '@streamline/runtime/sockets/frame-assembler';

const GARBAGE = 0xa5;

let installed = false;

/**
 * From now on every request's memory is overwritten as soon as its processor has returned, which the next request may do in
 * production: whoever still needs a byte of it then finds garbage, every time.
 */
export function overwriteUsedFrames(): void {
  if (installed) return;
  installed = true;
  const done = Reflect.get(FrameAssembler.prototype, 'done');
  FrameAssembler.prototype.done = function overwriteAndDone(this: FrameAssembler): void {
    const frame = this.next();
    // In record memory batches stay where they are.
    if (!(frame?.buffer instanceof SharedArrayBuffer)) frame?.fill(GARBAGE);
    Reflect.apply(done, this, []);
  };
}
