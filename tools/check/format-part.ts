import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { check, getFileInfo, resolveConfig } from 'prettier';
import { answer } from './part';

const IGNORE_FILES = ['.gitignore', '.prettierignore'];

/** As `prettier --check .` would: what is ignored, or of a kind that it does not know, is fine. */
answer(async ({ root, files }) => {
  const ignorePath = IGNORE_FILES.map((each) => path.join(root, each));
  const problems: string[] = [];
  const fine: string[] = [];
  for (const file of files) {
    const filepath = path.join(root, file);
    const { ignored, inferredParser } = await getFileInfo(filepath, { ignorePath });
    if (ignored || inferredParser === null || (await isFormatted(filepath))) fine.push(file);
    else problems.push(file);
  }
  return { problems: problems.map((file) => `not formatted (npm run format): ${file}\n`).join(''), fine };
});

async function isFormatted(filepath: string): Promise<boolean> {
  const options = await resolveConfig(filepath, { editorconfig: true });
  return check(await readFile(filepath, 'utf8'), { ...options, filepath }).catch(() => false);
}
