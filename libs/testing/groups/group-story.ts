import { errorName } from '@streamline/core/types/error-code';
import type { TopicId } from '@streamline/core/types/ids';
import type { GroupConfig } from '@streamline/core/groups/group-config';
import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { GroupProtocol, JoinAnswer, SyncAnswer } from '@streamline/core/groups/group-messages';
import { GroupBench } from './group-bench';

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** The subscription of a consumer, version 0: what `subscribedTopicsOf` reads. */
export function subscription(topics: readonly string[]): Uint8Array {
  const bytes: number[] = [0, 0, 0, 0, 0, topics.length];
  for (const topic of topics) {
    const name = UTF8.encode(topic);
    bytes.push(name.length >> 8, name.length & 0xff, ...name);
  }
  return Uint8Array.from(bytes);
}

/** `key=value` words after the first; the words without `=` come by position as "0", "1" ... */
type Words = ReadonlyMap<string, string>;

/**
 * Runs the commands of a transcript (see transcripts/README.md) against a coordinator and says in words what happens.
 */
export class GroupStory {
  #bench = new GroupBench();
  readonly #told = { joins: new Set<number>(), syncs: new Set<number>(), records: 0 };
  readonly #callers = new Map<number, string>();
  #calls = 0;
  readonly #ids = new Map<string, number>();

  /** Runs one command line; returns the lines of output. */
  run(line: string): string[] {
    const [name = '', ...rest] = line.trim().split(/\s+/);
    const words = wordsOf(rest);
    const command = this.#commands[name];
    if (command === undefined) return [`no such command: ${name}`];
    const said = command(words);
    if (name !== 'tick' && name !== 'config') this.#bench.expireDue();
    const news = this.#news();
    const waits = (name === 'join' || name === 'sync') && !this.#isAnswered(this.#calls);
    return [...said, ...news, ...(waits ? [`${at(words, 1)} waits`] : [])];
  }

  readonly #commands: Readonly<Record<string, (words: Words) => string[]>> = {
    config: (words) => this.#configure(words),
    join: (words) => this.#join(words),
    sync: (words) => this.#sync(words),
    heartbeat: (words) => this.#heartbeat(words),
    leave: (words) => this.#leave(words),
    commit: (words) => this.#commit(words),
    fetch: (words) => this.#fetch(words),
    'delete-offsets': (words) => this.#deleteOffsets(words),
    'delete-group': (words) => {
      const { errorCode } = this.#bench.step((turn) => this.#bench.coordinator.deleteGroup(turn, at(words, 0)));
      return [`deleted: ${errorName(errorCode)}`];
    },
    'delete-topic': (words) => {
      this.#bench.step((turn) => {
        this.#bench.coordinator.removeTopicOffsets(turn, at(words, 0), topicId(words.get('id')));
      });
      return [];
    },
    describe: (words) => this.#describe(words),
    list: (words) => this.#list(words),
    expire: (words) => {
      this.#bench.step((turn) => {
        this.#bench.coordinator.expire(turn, at(words, 0));
      });
      return [];
    },
    tick: (words) => {
      this.#bench.advance(Number(at(words, 0)));
      return [];
    },
    restart: () => {
      this.#bench.restart();
      return [];
    },
    log: (words) => this.#log(at(words, 0)),
  };

  #configure(words: Words): string[] {
    const config: Partial<Record<keyof GroupConfig, number>> = {};
    for (const [key, value] of words) config[key as keyof GroupConfig] = Number(value);
    this.#bench = new GroupBench(config);
    return [];
  }

  #join(words: Words): string[] {
    const version = Number(words.get('v') ?? 9);
    const waiter = this.#call(at(words, 1));
    const name = words.get('instance') ?? at(words, 1);
    const next = (this.#ids.get(name) ?? 0) + 1;
    const topics = (words.get('topics') ?? 't').split(',');
    const names = words.get('protocols')?.split(',') ?? ['range'];
    const protocols: GroupProtocol[] = names
      .filter((name) => name !== '')
      .map((name) => ({ name, metadata: subscription(topics) }));
    this.#bench.step((turn) => {
      const command = {
        groupId: at(words, 0),
        memberId: words.get('id') ?? '',
        groupInstanceId: words.get('instance'),
        protocolType: words.get('type') ?? 'consumer',
        protocols,
        sessionTimeoutMs: Number(words.get('session') ?? 10_000),
        rebalanceTimeoutMs: Number(words.get('rebalance') ?? 60_000),
        clientId: at(words, 1),
        clientHost: '/127.0.0.1',
        requireKnownMemberId: version >= 4,
        supportsSkipAssignment: version >= 9,
      };
      this.#bench.coordinator.join(turn, command, waiter, String(next));
    });
    const group = this.#bench.coordinator.live.get(at(words, 0));
    const memberId = `${name}-${next}`;
    if (group?.members.has(memberId) || group?.pendingJoins.has(memberId)) this.#ids.set(name, next);
    return [];
  }

  #sync(words: Words): string[] {
    const waiter = this.#call(at(words, 1));
    const assignments = (words.get('assign') ?? '')
      .split(',')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [memberId = '', text = ''] = pair.split(':');
        return { memberId, assignment: UTF8.encode(text) };
      });
    this.#bench.step((turn) => {
      const command = {
        ...membershipOf(words),
        protocolType: words.get('type'),
        protocolName: words.get('protocol'),
        assignments,
      };
      this.#bench.coordinator.sync(turn, command, waiter);
    });
    return [];
  }

  #heartbeat(words: Words): string[] {
    return [errorName(this.#bench.step((turn) => this.#bench.coordinator.heartbeat(turn, membershipOf(words))))];
  }

  #leave(words: Words): string[] {
    const members = [{ memberId: words.get('id') ?? '', groupInstanceId: words.get('instance') }];
    const answer = this.#bench.step((turn) => this.#bench.coordinator.leave(turn, { groupId: at(words, 0), members }));
    return answer.members.map(({ memberId, errorCode }) => `${memberId || '""'} left: ${errorName(errorCode)}`);
  }

  #commit(words: Words): string[] {
    const [topic = '', partition = '0'] = at(words, 1).split('/');
    const offset = { topic, topicId: topicId(words.get('topic-id')), partition: Number(partition) };
    const metadata = 'x'.repeat(Number(words.get('metadata-length') ?? 0)) || words.get('metadata');
    const answer = this.#bench.step((turn) =>
      this.#bench.coordinator.commit(turn, {
        groupId: at(words, 0),
        memberId: words.get('id') ?? '',
        groupInstanceId: words.get('instance'),
        generationId: Number(words.get('generation') ?? -1),
        retentionTimeMs: Number(words.get('retention') ?? -1),
        offsets: [{ ...offset, offset: Number(at(words, 2)), leaderEpoch: -1, metadata }],
        apiVersion: Number(words.get('v') ?? 9),
      }),
    );
    return answer.errorCodes.map((code) => (this.#bench.refusesLog && code === 0 ? 'refused by the log' : errorName(code)));
  }

  #fetch(words: Words): string[] {
    const [topic = '', partition = '0'] = (words.get('1') ?? '').split('/');
    const asked = { topic, topicId: topicId(words.get('topic-id')), partitions: [Number(partition)] };
    const { offsets } = this.#bench.coordinator.fetchOffsets({ groupId: at(words, 0), topics: [asked], allTopics: topic === '' });
    if (offsets.length === 0) return ['nothing'];
    return offsets.map((one) => `${one.topic}/${one.partition}: ${one.offset} epoch ${one.leaderEpoch} "${one.metadata}"`);
  }

  #deleteOffsets(words: Words): string[] {
    const [topic = '', partition = '0'] = at(words, 1).split('/');
    const topics = [{ topic, topicId: '', partitions: [Number(partition)] }];
    const answer = this.#bench.step((turn) => this.#bench.coordinator.deleteOffsets(turn, { groupId: at(words, 0), topics }));
    if (answer.errorCode !== 0) return [errorName(answer.errorCode)];
    return answer.offsets.map((one) => `${one.topic}/${one.partition}: ${errorName(one.errorCode)}`);
  }

  #describe(words: Words): string[] {
    const group = this.#bench.coordinator.describe(at(words, 0));
    if (group.errorCode !== 0) return [`${group.state}: ${errorName(group.errorCode)}`];
    const members = group.members.map(
      ({ memberId, groupInstanceId, assignment }) =>
        `  ${memberId}${groupInstanceId === undefined ? '' : ` (instance ${groupInstanceId})`} has "${TEXT.decode(assignment)}"`,
    );
    return [`${group.state} type "${group.protocolType}" protocol "${group.protocol}"`, ...members];
  }

  #list(words: Words): string[] {
    const filter = (key: string): string[] => words.get(key)?.split(',') ?? [];
    return this.#bench.coordinator
      .list(filter('states'), filter('types'))
      .map(({ groupId, protocolType, state, type }) => `${groupId} ${state} ${type} "${protocolType}"`);
  }

  #log(what: string): string[] {
    if (what === 'release') this.#bench.release();
    else if (what === 'hold') this.#bench.holdsLog = true;
    else this.#bench.refusesLog = what === 'refuse';
    return [];
  }

  #call(caller: string): number {
    this.#calls += 1;
    this.#callers.set(this.#calls, caller);
    return this.#calls;
  }

  #isAnswered(waiter: number): boolean {
    return this.#bench.joins.has(waiter) || this.#bench.syncs.has(waiter);
  }

  /** What was written and answered since it was last told. */
  #news(): string[] {
    const lines = this.#bench.log.slice(this.#told.records).map((record) => `stored: ${describeRecord(record)}`);
    this.#told.records = this.#bench.log.length;
    for (const [waiter, answer] of this.#bench.joins) {
      if (this.#told.joins.has(waiter)) continue;
      this.#told.joins.add(waiter);
      lines.push(`${this.#callers.get(waiter)} join: ${describeJoin(answer)}`);
    }
    for (const [waiter, answer] of this.#bench.syncs) {
      if (this.#told.syncs.has(waiter)) continue;
      this.#told.syncs.add(waiter);
      lines.push(`${this.#callers.get(waiter)} sync: ${describeSync(answer)}`);
    }
    return lines;
  }
}

function membershipOf(words: Words) {
  return {
    groupId: at(words, 0),
    memberId: words.get('id') ?? '',
    groupInstanceId: words.get('instance'),
    generationId: Number(words.get('generation') ?? 0),
  };
}

function wordsOf(rest: readonly string[]): Words {
  const words = new Map<string, string>();
  let position = 0;
  for (const word of rest) {
    const equals = word.indexOf('=');
    if (equals > 0) words.set(word.slice(0, equals), word.slice(equals + 1));
    else words.set(String(position++), word);
  }
  return words;
}

function at(words: Words, position: number): string {
  return words.get(String(position)) ?? '';
}

function topicId(letter: string | undefined): TopicId {
  return `${(letter ?? 'A').repeat(21)}A` as TopicId;
}

function describeJoin(answer: JoinAnswer): string {
  if (answer.errorCode !== 0) return `${errorName(answer.errorCode)} id "${answer.memberId}"`;
  const members = answer.members.map(({ memberId }) => memberId).join(' ');
  const skip = answer.skipAssignment ? ', skip the assignment' : '';
  const list = members === '' ? '' : `, members ${members}`;
  return `generation ${answer.generationId} ${answer.protocolName ?? ''} as ${answer.memberId}, leader ${answer.leader}${list}${skip}`;
}

function describeSync(answer: SyncAnswer): string {
  return answer.errorCode === 0 ? `assigned "${TEXT.decode(answer.assignment)}"` : errorName(answer.errorCode);
}

function describeRecord(record: GroupRecord): string {
  switch (record.kind) {
    case 'offset-committed':
      return `offset ${record.committed.offset} of ${record.topic}/${record.partition} in ${record.groupId}`;
    case 'offset-removed':
      return `no offset of ${record.topic}/${record.partition} in ${record.groupId}`;
    case 'group-stored': {
      const members = record.group.members.map(({ memberId, assignment }) => `${memberId}="${TEXT.decode(assignment)}"`);
      return `${record.groupId} generation ${record.group.generationId} ${members.join(' ') || 'empty'}`;
    }
    case 'group-removed':
      return `no group ${record.groupId}`;
  }
}
