/**
 * How many requests that name a topic, or would let a node in, are on their way or being worked on, anywhere. Whoever knows that there is none
 * knows that nothing that was asked before still takes effect, but for what stands in a log already.
 */
export class CommandCopies {
  readonly #open = new Map<string, number>();

  /** `end` may be called more than once. */
  begin(method: string, request: unknown): { readonly end: () => void } {
    const names = namesIn(method, request);
    for (const name of names) this.#open.set(name, this.of(name) + 1);
    let isOpen = true;
    return {
      end: () => {
        if (!isOpen) return;
        isOpen = false;
        for (const name of names) this.#open.set(name, this.of(name) - 1);
      },
    };
  }

  of(name: string): number {
    return this.#open.get(name) ?? 0;
  }
}

function namesIn(method: string, request: unknown): readonly string[] {
  if (typeof request !== 'object' || request === null) return [];
  // Of a node without data: it may be let in by it long after it was sent.
  if (method === 'join') return Reflect.get(request, 'clusterId') === '' ? [String(Reflect.get(request, 'directoryId'))] : [];
  const listed: unknown = Reflect.get(request, method === 'alterConfigs' ? 'resources' : 'topics');
  if (!Array.isArray(listed)) return [];
  const field = method === 'alterConfigs' ? 'resourceName' : 'name';
  return listed.flatMap((item: object) => {
    const name: unknown = Reflect.get(item, field);
    return typeof name === 'string' ? [name] : [];
  });
}
