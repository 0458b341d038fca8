/** Globals through which a core could reach the world, time or chance. */
const IMPURE = new Set([
  'AbortController',
  'AbortSignal',
  'Atomics',
  'BroadcastChannel',
  'Date',
  'MessageChannel',
  'Promise',
  'SharedArrayBuffer',
  'clearImmediate',
  'clearInterval',
  'clearTimeout',
  'console',
  'crypto',
  'fetch',
  'global',
  'globalThis',
  'performance',
  'process',
  'queueMicrotask',
  'require',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'structuredClone',
]);

/** Cores decide: no I/O, clock, timer, random or Promise; what they need to know comes in as input. */
export const pureCore = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      global: "a core is pure: '{{name}}' belongs in a host (libs/runtime); pass its result in as input",
      async: 'a core is synchronous: no async functions, await or Promises; return effects as data',
      random: 'a core is deterministic: pass random values in as input',
    },
  },
  create(context) {
    function asyncFunction(node) {
      if (node.async) context.report({ node, messageId: 'async' });
    }
    return {
      'Program:exit'(node) {
        const scope = context.sourceCode.getScope(node);
        const known = scope.variables.filter((variable) => variable.defs.length === 0).flatMap((variable) => variable.references);
        for (const reference of [...known, ...scope.through]) {
          const { name } = reference.identifier;
          if (IMPURE.has(name)) context.report({ node: reference.identifier, messageId: 'global', data: { name } });
        }
      },
      FunctionDeclaration: asyncFunction,
      FunctionExpression: asyncFunction,
      ArrowFunctionExpression: asyncFunction,
      AwaitExpression: (node) => context.report({ node, messageId: 'async' }),
      'MemberExpression[object.name="Math"][property.name="random"]': (node) => context.report({ node, messageId: 'random' }),
    };
  },
};
