import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { whyNoNetworks } from '../kit/netns';
import { NemesisUsageError, parseOptions, usage } from './options';
import { complaints, table } from './report';
import { hasPassed, type Outcome, runScenario } from './run-scenario';
import { SCENARIOS } from './scenarios/all';

/** `root` is the clone's top folder. Prints to the standard error: the clients of the load write to the standard output. Returns the exit code. */
export async function main(args: readonly string[], root: string): Promise<number> {
  try {
    const options = parseOptions(args, SCENARIOS);
    if (options === 'help') {
      console.error(usage(SCENARIOS));
      return 0;
    }
    const whyNot = await whyNoNetworks();
    if (whyNot !== undefined) {
      console.error(`nemesis: ${whyNot}`);
      return 1;
    }
    const startedAt = new Date();
    const directory = path.join(root, 'dist/nemesis', startedAt.toISOString().replace(/[:.]/g, '-'));
    const outcomes: Outcome[] = [];
    for (const scenario of options.scenarios) {
      console.error(`${scenario.name}: ${scenario.summary}`);
      if (scenario.needsReplicas === true && options.replicas === 1) {
        console.error('  left out: it loses what is stored only once');
        continue;
      }
      const outcome = await runScenario(scenario, {
        ...options,
        directory: path.join(directory, scenario.name),
        tell: (line) => console.error(line),
      });
      outcomes.push(outcome);
      for (const complaint of complaints(outcome)) console.error(`  ${complaint}`);
      const { acknowledged, faults, repeats } = outcome;
      const verdict = hasPassed(outcome) ? 'passed' : 'FAILED';
      console.error(
        `  ${verdict}: ${faults} faults, ${acknowledged} writes acknowledged, ${repeats} repeated by plain producers`,
      );
    }
    console.error(`\n${table(outcomes)}\n`);
    const file = path.join(directory, 'results.json');
    await mkdir(directory, { recursive: true });
    await writeFile(file, JSON.stringify({ startedAt, minutes: options.minutes, outcomes }, null, 2));
    console.error(`Written to ${path.relative(root, file)}`);
    return outcomes.every(hasPassed) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NemesisUsageError)) throw error;
    console.error(`nemesis: ${error.message}\n\n${usage(SCENARIOS)}`);
    return 2;
  }
}
