import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

export const KAFKA_VERSION = '4.4.0';
const MAIN_JAR = `kafka_2.13-${KAFKA_VERSION}.jar`;
/** Kafka's errors go to standard error; without it they are lost. */
const LOGGER_JAR = 'slf4j-simple-1.7.36.jar';
const LEAST_JAVA = 17;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamline.bench</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** Something that running Apache Kafka takes is not here; the message says what and how to get it. */
export class KafkaMissingError extends Error {
  override readonly name = 'KafkaMissingError';
}

/**
 * The folder with Kafka's jars, brought from Maven Central the first time (about 100 MB, kept in ~/.cache).
 * @throws KafkaMissingError where Java, Maven or the network is missing
 */
export async function kafkaJars(): Promise<string> {
  await checkJava();
  const cache = process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache');
  const home = path.join(cache, 'streamline-bench', `kafka-${KAFKA_VERSION}`);
  const jars = path.join(home, 'jars');
  const present = await listed(jars);
  if (present.includes(MAIN_JAR) && present.includes(LOGGER_JAR)) return jars;
  if ((await run('mvn', ['--version'])) === undefined) {
    throw new KafkaMissingError(
      "Maven ('mvn') is not installed: it brings Apache Kafka from Maven Central (Debian: apt install maven)",
    );
  }
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, 'pom.xml'), POM);
  const goal = ['-q', '-B', '-f', home, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  const result = await run('mvn', [...goal, `-DoutputDirectory=${jars}`]);
  const found = await listed(jars);
  if (result?.code !== 0 || !found.includes(MAIN_JAR)) {
    await rm(home, { recursive: true, force: true });
    throw new KafkaMissingError(
      `Apache Kafka ${KAFKA_VERSION} did not come from Maven Central (no network?):\n${result?.output ?? ''}`,
    );
  }
  return jars;
}

function listed(directory: string): Promise<string[]> {
  return readdir(directory).catch((): string[] => []);
}

async function checkJava(): Promise<void> {
  const result = await run('java', ['-version']);
  if (result === undefined) throw new KafkaMissingError(`Java is not installed: Apache Kafka needs ${LEAST_JAVA} or later`);
  const major = Number(/version "(\d+)/.exec(result.output)?.[1] ?? 0);
  if (major < LEAST_JAVA) throw new KafkaMissingError(`Java ${major} is too old: Apache Kafka needs ${LEAST_JAVA} or later`);
}

/** Undefined where the program is not there. */
export async function run(
  command: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string } | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  try {
    await once(child, 'close');
  } catch {
    return undefined;
  }
  return { code: child.exitCode, output };
}
