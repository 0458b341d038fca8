/**
 * Writes what an installed node consists of into an empty directory: `node deploy/image-content.mjs DIR`. The Dockerfile does,
 * and the spec that runs the result as a container would. Needs `npm ci` and `node tools/build.mjs node` before.
 *   DIR/bin/streamline, DIR/bin/healthcheck.mjs, DIR/dist/node, DIR/LICENSE
 *   DIR/node_modules     what the bundle loads at run time, as package-lock.json has it, for this platform
 *   DIR/licenses         the license texts of what is in the bundle
 */
import { cp, mkdir, readFile, readdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

const PREBUILT_FOR = `prebuilds/${process.platform}-${process.arch}`;
const LICENSE_TEXT = /^(licen[cs]e|notice|copying|copyright)/i;
/** In packages: sources of addons, addons of another runtime, types and texts that nothing loads. */
const NOT_LOADED = /\.(bare|cc|h|map|md|d\.[cm]?ts)$|^CMakeLists\.txt$|^binding\.gyp$/;

/** Where Node finds a dependency of the package in `from`; undefined where it is not installed (optional, another platform). */
function find(name, from) {
  for (let folder = from; folder.startsWith(root); folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (existsSync(path.join(candidate, 'package.json'))) return candidate;
  }
  return undefined;
}

async function manifestOf(folder) {
  return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
}

/** Folders of the packages that the bundle needs at run time, and of what they need. */
async function packagesOf(bundle) {
  const found = new Set();
  const visit = async (folder, { dependencies = {}, optionalDependencies = {} }) => {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const dependency = find(name, folder);
      if (dependency === undefined) {
        if (name in optionalDependencies) continue;
        throw new Error(`${name}, which ${folder} needs, is not installed: run npm ci`);
      }
      if (found.has(dependency)) continue;
      found.add(dependency);
      await visit(dependency, await manifestOf(dependency));
    }
  };
  await visit(bundle, await manifestOf(bundle));
  return [...found];
}

/** Whether a file or folder of a package, by its path in it, is copied. Packages within it are copied for themselves. */
function isLoaded(inPackage) {
  if (inPackage === 'node_modules') return false;
  if (inPackage.startsWith('prebuilds/'))
    return inPackage === PREBUILT_FOR || (/\.node$/.test(inPackage) && inPackage.startsWith(`${PREBUILT_FOR}/`));
  const name = path.basename(inPackage);
  return LICENSE_TEXT.test(name) || !NOT_LOADED.test(name);
}

async function copyPackage(folder, target) {
  const filter = (source) => isLoaded(path.relative(folder, source));
  await cp(folder, path.join(target, path.relative(root, folder)), { recursive: true, filter });
}

/** Of every package that is installed for more than development: the bundle has no comments, so that they stand here. */
async function copyLicenses(target) {
  const { packages } = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8'));
  for (const [folder, { dev }] of Object.entries(packages)) {
    if (folder === '' || dev || !existsSync(path.join(root, folder))) continue;
    const texts = (await readdir(path.join(root, folder))).filter((name) => LICENSE_TEXT.test(name));
    const name = folder.replace(/^node_modules\//, '');
    for (const text of texts) await cp(path.join(root, folder, text), path.join(target, name, text), { recursive: true });
  }
}

async function write(target) {
  await mkdir(target, { recursive: true });
  if ((await readdir(target)).length > 0) throw new Error(`${target} is not empty`);
  const bundle = path.join(root, 'dist/node');
  if (!existsSync(path.join(bundle, 'main.mjs'))) throw new Error(`${bundle} is not built: run node tools/build.mjs node`);
  await cp(bundle, path.join(target, 'dist/node'), { recursive: true });
  await cp(path.join(root, 'bin/streamline'), path.join(target, 'bin/streamline'));
  await cp(path.join(root, 'deploy/healthcheck.mjs'), path.join(target, 'bin/healthcheck.mjs'));
  await cp(path.join(root, 'LICENSE'), path.join(target, 'LICENSE'));
  await copyLicenses(path.join(target, 'licenses'));
  for (const folder of await packagesOf(bundle)) await copyPackage(folder, target);
}

const [target] = process.argv.slice(2);
if (target === undefined) {
  console.error('usage: node deploy/image-content.mjs DIR');
  process.exit(2);
}
await write(path.resolve(target));
