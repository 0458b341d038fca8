import { ESLint } from 'eslint';
import path from 'node:path';
import { answer } from './part';

/**
 * The tree's own rules, over one program for all of it: by the projects' own configurations what they share is read, and its types found
 * out, once for each of them (81 s of CPU for the whole tree in place of 54).
 */
answer(async ({ root, files }) => {
  const eslint = new ESLint({
    cwd: root,
    overrideConfigFile: 'tools/eslint/eslint.config.js',
    overrideConfig: {
      files: ['**/*.ts'],
      languageOptions: { parserOptions: { projectService: false, project: 'tsconfig.base.json', tsconfigRootDir: root } },
    },
    warnIgnored: false,
  });
  const results = await eslint.lintFiles([...files]);
  const formatter = await eslint.loadFormatter('stylish');
  const fine = results.filter(({ errorCount, warningCount }) => errorCount + warningCount === 0);
  return {
    problems: await formatter.format(results),
    fine: fine.map(({ filePath }) => path.relative(root, filePath).replaceAll(path.sep, '/')),
  };
});
