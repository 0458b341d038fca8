import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../options';
import { summarize } from '../profile/cpu-profile';
import { machineFacts } from '../report/machine';
import { numberText } from '../report/table';
import { applyScenario } from './apply';
import type { RaftMeasurement } from './bench';
import { syncWriteTimes } from './disk-facts';
import { electionsScenario } from './elections';
import { parseOptions, type RaftBenchOptions, usage } from './options';
import { proposalsScenario } from './proposals';
import { snapshotScenario } from './snapshot';
import { virtualElectionsScenario } from './virtual-elections';
import { killAllVoters } from './voter-cluster';

const SCENARIOS = [proposalsScenario, electionsScenario, virtualElectionsScenario, applyScenario, snapshotScenario];
const INTERRUPTED = 130;
const PROFILE_LINES = 30;

/** `root` is the clone's top folder. Returns the exit code. */
export async function main(args: readonly string[], root: string): Promise<number> {
  process.once('SIGINT', endNow).once('SIGTERM', endNow).once('SIGHUP', endNow);
  try {
    const options = parseOptions(args, SCENARIOS);
    if (options === 'help') {
      console.log(usage(SCENARIOS));
      return 0;
    }
    return await measure(options, root);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench-raft: ${error.message}\n\n${usage(SCENARIOS)}`);
    return 2;
  }
}

function endNow(): void {
  killAllVoters();
  process.exit(INTERRUPTED);
}

async function measure(options: RaftBenchOptions, root: string): Promise<number> {
  const startedAt = new Date();
  const { cpu, cores, memoryGb, kernel, node, fileSystem, commit, loadAverage } = machineFacts(root);
  const disk = await syncWriteTimes();
  console.log(
    `${cores} cores of ${cpu}, ${memoryGb} GB, ${kernel}, ${fileSystem}, Node ${node}, commit ${commit}, load ${loadAverage.join(' ')}; ` +
      `a durable write of 4 KiB takes ${numberText(disk.medianMs)} ms (median), ${numberText(disk.p99Ms)} ms (p99)`,
  );
  const outputDirectory = path.join(root, 'dist/bench-raft');
  const stamp = startedAt.toISOString().replace(/[:.]/g, '-');
  const profileDirectory = options.profile ? path.join(outputDirectory, `profile-${stamp}`) : undefined;
  await mkdir(profileDirectory ?? outputDirectory, { recursive: true });
  const measurements: RaftMeasurement[] = [];
  const failures: { readonly scenario: string; readonly message: string }[] = [];
  for (const { name, summary, run } of options.scenarios) {
    console.log(`\n${name}: ${summary}`);
    const record = (measurement: Omit<RaftMeasurement, 'scenario'>): void => {
      measurements.push({ scenario: name, ...measurement });
      console.log(`  ${lineOf(measurement)}`);
    };
    await run({ ...options, profileDirectory, record }).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ scenario: name, message });
      console.log(`  FAILED: ${message}`);
    });
  }
  if (profileDirectory !== undefined) await printProfiles(profileDirectory, measurements);
  const file = path.join(outputDirectory, `${stamp}.json`);
  const machine = { cpu, cores, memoryGb, kernel, node, fileSystem, commit, loadAverage };
  await writeFile(file, JSON.stringify({ startedAt, machine, disk, measurements, failures }, null, 2));
  console.log(`\nWritten to ${path.relative(root, file)}`);
  return failures.length === 0 ? 0 : 1;
}

function lineOf({ line, figures, foreignCores = 0 }: Omit<RaftMeasurement, 'scenario'>): string {
  const texts = Object.entries(figures).map(([name, value]) => `${name} ${numberText(value)}`);
  const foreign = foreignCores >= 0.1 ? `   (others used ${foreignCores.toFixed(1)} cores)` : '';
  return `${line} | ${texts.join('  ')}${foreign}`;
}

/** Each process wrote a profile; the leader's is the one of the busiest main thread. */
async function printProfiles(directory: string, measurements: readonly RaftMeasurement[]): Promise<void> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.cpuprofile'));
  for (const { line, window } of measurements) {
    if (window === undefined) continue;
    const profiles = files.map((file) => summarize(path.join(directory, file), window, PROFILE_LINES));
    const [busiest] = profiles.filter(({ functions }) => functions.length > 0).sort((a, b) => b.busyShare - a.busyShare);
    if (busiest === undefined) continue;
    console.log(`\n${line}: the busiest main thread was busy ${Math.round(busiest.busyShare * 100)} % of the time, self times:`);
    for (const { share, selfMs, name } of busiest.functions) {
      console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${selfMs.toFixed(0).padStart(6)} ms  ${name}`);
    }
  }
}
