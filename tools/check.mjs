/**
 * `npm run check`: bundles tools/check and runs it over the tree.
 */
import { loadTool, root } from './bundled-tool.mjs';

const { main } = await loadTool('check', 'tools/check', ['lint-part.ts', 'format-part.ts']);
process.exitCode = await main(root);
