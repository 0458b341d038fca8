/**
 * Measures Raft: bundles tools/bench/raft and runs it. `node tools/bench-raft.mjs --help` lists the options.
 */
import { loadTool, root } from './bundled-tool.mjs';

const { main } = await loadTool('bench-raft', 'tools/bench/raft', ['voter.ts']);
process.exitCode = await main(process.argv.slice(2), root);
