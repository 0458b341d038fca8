/** proto/ -> libs/wire/contracts/generated: message codecs by ts-proto, and the descriptor set that reflection serves. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const buf = path.join(root, 'node_modules/.bin/buf');

execFileSync(buf, ['generate', 'proto', '--template', 'proto/buf.gen.yaml'], { cwd: root, stdio: 'inherit' });
const descriptors = execFileSync(
  buf,
  ['build', 'proto', '--as-file-descriptor-set', '--exclude-source-info', '-o', '-#format=binpb'],
  { cwd: root },
);
writeFileSync(
  path.join(root, 'libs/wire/contracts/generated/descriptor-set.ts'),
  `/** Every .proto of this build as a google.protobuf.FileDescriptorSet. */\nexport const DESCRIPTOR_SET_BASE64 =\n  '${descriptors.toString('base64')}';\n`,
);
