/**
 * `npm run sim`: bundles tools/sim and runs simulations of Raft clusters. `npm run sim -- --help` lists the options.
 */
import { loadTool } from './bundled-tool.mjs';

const { main } = await loadTool('sim', 'tools/sim');
process.exitCode = await main(process.argv.slice(2));
