import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseOptions, usage, UsageError, type Options } from './options';
import { summarize } from './profile/cpu-profile';
import { machineFacts, type MachineFacts } from './report/machine';
import { renderTable, results } from './report/table';
import { replicatedSuite } from './replicated/suite';
import type { Measurement, Sides } from './scenarios/scenario';
import { singleSuite } from './scenarios/suite';
import { kafkaJars, KafkaMissingError, KAFKA_VERSION } from './server/kafka-distribution';
import { killAllServers } from './server/server';
import { Session } from './session';

const SUITES = { 1: singleSuite, 3: replicatedSuite };
const PROFILE_LINES = 25;
const INTERRUPTED = 130;

/** `root` is the clone's top folder. Returns the exit code. */
export async function main(args: readonly string[], root: string): Promise<number> {
  process.once('SIGINT', endNow).once('SIGTERM', endNow).once('SIGHUP', endNow);
  try {
    const options = parseOptions(args, SUITES);
    if (options === 'help') {
      console.log(usage(SUITES));
      return 0;
    }
    return await measure(options, root);
  } catch (error) {
    killAllServers();
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}\n\n${usage(SUITES)}`);
    return 2;
  }
}

function endNow(): void {
  killAllServers();
  process.exit(INTERRUPTED);
}

async function measure(options: Options, root: string): Promise<number> {
  const startedAt = new Date();
  const facts = machineFacts(root);
  console.log(factsText(facts));
  const jars = options.againstKafka ? await jarsOrReason() : undefined;
  if (jars === undefined && !options.streamline) return 0;
  const outputDir = path.join(root, 'dist/bench');
  const stamp = startedAt.toISOString().replace(/[:.]/g, '-');
  const profileDir = options.profile ? path.join(outputDir, `profile-${stamp}`) : undefined;
  await mkdir(profileDir ?? outputDir, { recursive: true });
  const sides: Sides = { root, streamline: options.streamline, main: options.main, profileDir, kafkaJars: jars };
  const session = options.nodes === 1 ? new Session(singleSuite, options, sides) : new Session(replicatedSuite, options, sides);
  await session.run();

  const table = results(session.measurements, SUITES[options.nodes].sections);
  console.log(`\n${renderTable(table)}\n`);
  if (profileDir !== undefined) await printProfiles(profileDir, session.measurements);
  const foreign = Math.max(0, ...session.measurements.map((each) => each.foreignCores ?? 0));
  if (foreign >= 0.1)
    console.log(
      `Others used up to ${foreign.toFixed(1)} of ${facts.cores} cores meanwhile: hold ratios, not figures, against other runs.`,
    );
  const file = path.join(outputDir, `${stamp}.json`);
  const { measurements, failures } = session;
  const kafka = jars === undefined ? null : KAFKA_VERSION;
  const { nodes, seconds } = options;
  await writeFile(
    file,
    JSON.stringify({ startedAt, machine: facts, kafka, nodes, seconds, table, measurements, failures }, null, 2),
  );
  console.log(`Written to ${path.relative(root, file)}`);
  for (const { scenario, message } of failures) console.log(`FAILED ${scenario}: ${message}`);
  return failures.length === 0 ? 0 : 1;
}

async function jarsOrReason(): Promise<string | undefined> {
  try {
    return await kafkaJars();
  } catch (error) {
    if (!(error instanceof KafkaMissingError)) throw error;
    console.log(`\nApache Kafka ${KAFKA_VERSION} cannot run here, so only Streamline is measured: ${error.message}`);
    return undefined;
  }
}

function factsText(facts: MachineFacts): string {
  const { cpu, cores, memoryGb, kernel, node, fileSystem, commit, loadAverage } = facts;
  return `${cores} cores of ${cpu}, ${memoryGb} GB, ${kernel}, ${fileSystem}, Node ${node}, commit ${commit}, load ${loadAverage.join(' ')}`;
}

/** Each process wrote one profile when it stopped; a measurement's is the one that has samples in its window. */
async function printProfiles(directory: string, measurements: readonly Measurement[]): Promise<void> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.cpuprofile'));
  for (const { line, server, durability, window } of measurements) {
    if (server !== 'streamline' || window === undefined) continue;
    for (const file of files) {
      const { busyShare, functions } = summarize(path.join(directory, file), window, PROFILE_LINES);
      if (functions.length === 0) continue;
      console.log(`\n${line}, ${durability}: the main thread was busy ${Math.round(busyShare * 100)} % of the time, self times:`);
      for (const each of functions) {
        console.log(`  ${(each.share * 100).toFixed(1).padStart(5)} %  ${each.selfMs.toFixed(0).padStart(6)} ms  ${each.name}`);
      }
    }
  }
  console.log(`\nProfiles for Chrome's DevTools are in ${path.relative(process.cwd(), directory)}\n`);
}
