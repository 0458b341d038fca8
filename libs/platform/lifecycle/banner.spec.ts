import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../config/resolve-config';
import { announce, bannerText, type NodeFacts } from './banner';
import { readBootId } from './boot-id';

const facts: NodeFacts = {
  version: '0.1.0',
  clusterId: 'q1w2e3r4t5y6u7i8o9p0aa',
  config: { ...resolveConfig([]).config, dataDir: '/data' },
  kafka: { host: '0.0.0.0', port: 9092 },
  http: { host: '0.0.0.0', port: 9094 },
  interBroker: { host: '0.0.0.0', port: 9093 },
  readyAfterMs: 311.7,
};

describe('the banner', () => {
  it('tells the addresses and the next command to try', () => {
    const text = bannerText(facts);
    expect(text).toContain('Streamline 0.1.0: node 1 of cluster q1w2e3r4t5y6u7i8o9p0aa is ready after 312 ms');
    expect(text).toContain('0.0.0.0:9092 (advertised as 127.0.0.1:9092)');
    expect(text).toContain('http://127.0.0.1:9094/docs');
    expect(text).toContain('echo hello | kcat -P -b 127.0.0.1:9092 -t greetings');
    expect(text).toContain('npm install kafkajs');
  });

  it('leaves out what is in another process', () => {
    const text = bannerText({ ...facts, kafka: undefined, http: undefined });
    expect(text).not.toMatch(/kcat|http/);
    expect(text).toContain('0.0.0.0:9093');
  });

  it('is a log line where JSON is read by a program, and text elsewhere', () => {
    const lines: string[] = [];
    const printed: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(line) });
    const to = { logger, print: (text: string) => void printed.push(text) };
    announce(facts, { ...to, format: 'json', isTerminal: false });
    expect(printed).toEqual([]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      msg: 'ready',
      kafka: '0.0.0.0:9092',
      readyAfterMs: 312,
      dataDir: '/data',
    });
    announce(facts, { ...to, format: 'json', isTerminal: true });
    announce(facts, { ...to, format: 'pretty', isTerminal: false });
    expect([lines.length, printed.length]).toEqual([1, 2]);
  });
});

describe('readBootId', () => {
  it('is the same all the time that the machine runs, and undefined where nobody knows', () => {
    expect(readBootId()).toBe(readBootId());
    expect(readBootId('/no/such/file')).toBeUndefined();
    expect(readBootId('/dev/null')).toBeUndefined();
  });
});
