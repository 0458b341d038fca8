import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../options';
import { machineFacts } from '../report/machine';
import { numberText } from '../report/table';
import { type Figures, ManyPartitions } from './many-partitions';
import { parseOptions, USAGE } from './options';

/** `root` is the clone's top folder. Returns the exit code. */
export async function main(args: readonly string[], root: string): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options === 'help') {
      console.log(USAGE);
      return 0;
    }
    const startedAt = new Date();
    const machine = machineFacts(root);
    const { cores, cpu, memoryGb, kernel, fileSystem, node, commit, loadAverage } = machine;
    console.log(
      `${cores} cores of ${cpu}, ${memoryGb} GB, ${kernel}, ${fileSystem}, Node ${node}, commit ${commit}, load ${loadAverage.join(' ')}`,
    );
    const lines: { readonly line: string; readonly figures: Figures }[] = [];
    await ManyPartitions.run(options, (line, figures) => {
      lines.push({ line, figures });
      const texts = Object.entries(figures).map(([name, value]) => `${name} ${numberText(value)}`);
      console.log(`  ${line} | ${texts.join('  ')}`);
    });
    const seconds = (Date.now() - startedAt.getTime()) / 1_000;
    const directory = path.join(root, 'dist/bench-cluster');
    const file = path.join(directory, `${startedAt.toISOString().replace(/[:.]/g, '-')}.json`);
    await mkdir(directory, { recursive: true });
    await writeFile(file, JSON.stringify({ startedAt, seconds, machine, options, lines }, null, 2));
    console.log(`Written to ${path.relative(root, file)} after ${seconds.toFixed(0)} s`);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench-cluster: ${error.message}\n\n${USAGE}`);
    return 2;
  }
}
