import path from 'node:path';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';
import { pureCore } from './pure-core.js';
import { rings } from './rings.js';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const SPECS = ['**/*.spec.ts', 'test/**/*.ts', 'libs/testing/**/*.ts'];

export const streamline = { rules: { rings, 'pure-core': pureCore } };

/** Kept apart so that the rules' own spec can run them on fixtures. */
export const layers = [
  { settings: { streamlineRoot: root }, plugins: { streamline } },
  { files: ['libs/**/*.ts', 'services/**/*.ts'], ignores: ['**/*.spec.ts'], rules: { 'streamline/rings': 'error' } },
  { files: ['libs/core/**/*.ts'], ignores: ['**/*.spec.ts'], rules: { 'streamline/pure-core': 'error' } },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/generated/**', '**/node_modules/**', '.nx/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-console': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      'max-lines': ['error', { max: 600, skipBlankLines: false, skipComments: false }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    },
  },
  ...layers,
  { files: ['libs/core/**/*.ts'], ignores: SPECS, rules: { 'max-lines': ['error', { max: 400 }] } },
  { files: SPECS, rules: { 'max-lines-per-function': 'off', 'max-lines': ['error', { max: 900 }] } },
  { files: ['tools/**/*.ts', 'test/**/*.ts'], rules: { 'no-console': 'off' } },
);
