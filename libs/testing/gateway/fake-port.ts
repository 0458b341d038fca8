/**
 * A port of which a test implements what it expects to be called; any other call fails, so that nothing goes unnoticed.
 */
export function fakePort<Port extends object>(methods: Partial<Port>): Port {
  return new Proxy(methods as Port, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (method !== undefined || typeof name === 'symbol') return method;
      return () => Promise.reject(new Error(`the test does not expect a call of ${name}`));
    },
  });
}
