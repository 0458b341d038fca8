export type Method<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Result;

/** Replaces a method of a class, private ones too, by one made of the original; returns how to put it back. */
export function replaceMethod<This extends object, Args extends unknown[], Result>(
  target: { readonly prototype: This },
  name: string,
  make: (original: Method<This, Args, Result>) => Method<This, Args, Result>,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  if (descriptor === undefined || typeof descriptor.value !== 'function')
    throw new Error(`there is no method ${name} to replace`);
  const original: Method<This, Args, Result> = descriptor.value;
  Object.defineProperty(target.prototype, name, { ...descriptor, value: make(original) });
  return () => Object.defineProperty(target.prototype, name, descriptor);
}
