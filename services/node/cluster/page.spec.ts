import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cliPage } from './page';

it('docs/cli.md says what the commands say themselves', async () => {
  await expect(cliPage()).toMatchFileSnapshot(join(import.meta.dirname, '../../../docs/cli.md'));
});
