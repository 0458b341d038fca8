import path from 'node:path';

/** Folders of the repository that hold rings, most specific first. `segments` is how many path parts name one unit. */
const RINGS = [
  { ring: 'core', prefix: 'libs/core/', segments: 3 },
  { ring: 'wire', prefix: 'libs/wire/', segments: 2 },
  { ring: 'runtime', prefix: 'libs/runtime/', segments: 2 },
  { ring: 'platform', prefix: 'libs/platform/', segments: 2 },
  { ring: 'testing', prefix: 'libs/testing/', segments: 2 },
  { ring: 'service', prefix: 'services/', segments: 2 },
];

const ALIASES = [
  ['@streamline/services/', 'services/'],
  ['@streamline/', 'libs/'],
];

/** What each ring may import besides itself; core and services have rules of their own below. */
const MAY_IMPORT = {
  core: [],
  wire: ['wire'],
  runtime: ['runtime', 'wire', 'core'],
  platform: ['platform', 'runtime', 'wire', 'core'],
  testing: ['testing', 'platform', 'runtime', 'wire', 'core'],
  service: ['platform', 'runtime', 'wire', 'core'],
};

/** Ring and unit (such as `libs/core/log`) of a path relative to the repository, or undefined outside the rings. */
function place(relative) {
  const posix = relative.split(path.sep).join('/');
  const found = RINGS.find((entry) => posix.startsWith(entry.prefix));
  return found && { ring: found.ring, unit: posix.split('/').slice(0, found.segments).join('/') };
}

function target(specifier, filename, root) {
  if (specifier.startsWith('.')) {
    return path.relative(root, path.resolve(path.dirname(filename), specifier));
  }
  const alias = ALIASES.find(([from]) => specifier.startsWith(from));
  return alias && alias[1] + specifier.slice(alias[0].length);
}

function isPackage(specifier, name) {
  return specifier === name || specifier.startsWith(`${name}/`);
}

function packageProblem(from, specifier) {
  if (from.ring === 'core') {
    return `a core is pure and imports no packages and no Node modules; take '${specifier}' through a port in libs/runtime`;
  }
  const nest = specifier.startsWith('@nestjs/') || isPackage(specifier, 'reflect-metadata');
  if (nest && from.ring !== 'platform' && from.ring !== 'service') {
    return `only libs/platform and services import '${specifier}'`;
  }
  const inputOutput = /^(node:)?(fs|net|http|https|tls|dgram|child_process|worker_threads|timers)(\/|$)/;
  if (from.ring === 'wire' && inputOutput.test(specifier)) {
    return `wire turns bytes into values and does no I/O: '${specifier}' belongs in libs/runtime`;
  }
  return undefined;
}

function ringProblem(from, to) {
  if (from.unit === to.unit) return undefined;
  if (to.ring === 'service') {
    if (from.ring !== 'service') return `${from.unit} may not import a service (${to.unit})`;
    return from.unit === 'services/node' ? undefined : `services never import each other: only services/node composes them`;
  }
  if (to.ring === 'core' && (from.ring === 'core' || from.ring === 'wire')) {
    return to.unit === 'libs/core/types'
      ? undefined
      : `${from.unit} may import of core only libs/core/types; facts cross as values`;
  }
  if (MAY_IMPORT[from.ring].includes(to.ring)) return undefined;
  return `imports run downward only: ${from.unit} (${from.ring}) may not import ${to.unit} (${to.ring})`;
}

/** Imports run downward only: services -> platform -> runtime -> wire -> core's value types (CONTRIBUTING.md, "The rings"). */
export const rings = {
  meta: { type: 'problem', schema: [], messages: { edge: '{{problem}} (CONTRIBUTING.md, "The rings")' } },
  create(context) {
    const root = context.settings.streamlineRoot ?? context.cwd;
    const from = place(path.relative(root, context.filename));
    if (!from) return {};

    function check(node, source) {
      if (typeof source?.value !== 'string') return;
      const specifier = source.value;
      const reached = target(specifier, context.filename, root);
      const to = reached === undefined ? undefined : place(reached);
      const problem = reached === undefined ? packageProblem(from, specifier) : to && ringProblem(from, to);
      if (problem) context.report({ node, messageId: 'edge', data: { problem } });
    }

    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      TSImportType: (node) => check(node, node.source ?? node.argument?.literal),
    };
  },
};
