/**
 * Bundles services into dist/<name>/main.mjs: `node tools/build.mjs [name ...]`, all five by default.
 * `--metadata-version-max N` builds what knows no newer level of metadata.version than N, as an older version would, into
 * dist/metadata-version-N/<name>: for specs of upgrades.
 * A bundle holds everything but what node_modules has to provide (EXTERNAL); it starts in a third of the time.
 */
import { build } from 'esbuild';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

const SERVICES = ['controller', 'storage', 'gateway', 'admin', 'node'];

/**
 * Found in node_modules at run time: native addons, and what has to run before any chunk that uses it, which esbuild only
 * keeps for modules outside of the bundle.
 */
const EXTERNAL = ['@node-rs/crc32', 'snappy', 'lz4-napi', '@toondepauw/node-zstd', 'rocksdb-native', 'reflect-metadata'];

/** What Nest and Fastify would load if it were there; each is only asked for by features that we do not use. */
const OPTIONAL = [
  '@nestjs/platform-express',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  '@nats-io/*',
  '@fastify/multipart',
  '@fastify/view',
  'amqp-connection-manager',
  'amqplib',
  'cache-manager',
  'class-transformer',
  'class-transformer/*',
  'class-validator',
  'ioredis',
  'kafkajs',
  'mqtt',
  'nats',
];

const BANNER = [
  "import { createRequire as __createRequire } from 'node:module';",
  "import { fileURLToPath as __fileURLToPath } from 'node:url';",
  "import { join as __join } from 'node:path';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = __fileURLToPath(import.meta.url);',
  // gRPC's reflection package looks for ../../proto: two virtual folders below the bundle find <bundle>/proto.
  "const __dirname = __join(__filename, '../package/build');",
].join('\n');

async function copyProtos(outdir) {
  const reflection = path.join(path.dirname(require.resolve('@grpc/reflection/package.json')), 'build/proto/grpc');
  const target = path.join(outdir, 'proto');
  await mkdir(target, { recursive: true });
  await cp(reflection, path.join(target, 'grpc'), { recursive: true });
}

/** A bundle is deployed by copying its folder and running `npm install` there, which brings what is outside of the bundle. */
async function writePackage(name, outdir) {
  const { version, license, engines, dependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const external = Object.fromEntries(EXTERNAL.map((addon) => [addon, dependencies[addon]]));
  const manifest = {
    name: `@streamline/${name}`,
    version,
    license,
    private: true,
    type: 'module',
    main: 'main.mjs',
    engines,
    dependencies: external,
  };
  await writeFile(path.join(outdir, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

async function bundle(name, metadataVersionMax) {
  const outdir = path.join(root, 'dist', metadataVersionMax ? `metadata-version-${metadataVersionMax}` : '', name);
  await rm(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: { main: `services/${name}/main.ts` },
    outdir,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    tsconfig: 'tsconfig.base.json',
    banner: { js: BANNER },
    define: metadataVersionMax ? { STREAMLINE_METADATA_VERSION_MAX: metadataVersionMax } : {},
    external: [...EXTERNAL, ...OPTIONAL],
    minifySyntax: true,
    // Sources stay in memory as long as the process lives; lines short enough for stack traces to say where.
    minifyWhitespace: true,
    lineLimit: 160,
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
    legalComments: 'none',
  });
  await copyProtos(outdir);
  await writePackage(name, outdir);
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'metadata-version-max': { type: 'string' } } });
const metadataVersionMax = values['metadata-version-max'];
if (metadataVersionMax !== undefined && !/^[1-9]\d*$/.test(metadataVersionMax)) {
  throw new Error(`--metadata-version-max needs a whole number above 0, not ${metadataVersionMax}`);
}
const names = positionals.length > 0 ? positionals : SERVICES;
await Promise.all(names.map((name) => bundle(name, metadataVersionMax)));
