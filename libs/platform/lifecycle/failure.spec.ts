import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { JournalDamagedError, JournalFailedError, JournalFormatError } from '@streamline/runtime/journal/journal-error';
import { ControllerStartError } from '@streamline/runtime/controller/controller-role';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import { ImageUnreadableError } from '@streamline/runtime/controller/image-store';
import { MetadataLogError } from '@streamline/runtime/controller/open-metadata-log';
import { RaftFormatError, RaftStorageError } from '@streamline/runtime/raft/raft-storage';
import { LogError } from '@streamline/runtime/log/log-error';
import { ForeignClusterError } from '@streamline/runtime/metadata/following-replica';
import { UnknownRecordError } from '@streamline/runtime/metadata/record-codec';
import { BrokerRefusedError } from '@streamline/runtime/partitions/broker-session';
import { addressUnavailable, explainFailure, type FailureContext } from './failure';
import { StartupError } from './startup-error';

const context: FailureContext = {
  config: {
    listenAddr: { host: '0.0.0.0', port: 9092 },
    httpAddr: { host: '127.0.0.1', port: 9094 },
    interBrokerAddr: { host: '0.0.0.0', port: 9093 },
  },
  osRelease: 'ID=debian\nVERSION_ID="12"\n',
};

function failedListen(port: number, host: string): Promise<unknown> {
  return new Promise((resolve) => createServer().on('error', resolve).listen(port, host));
}

describe('explainFailure', () => {
  it('names the flag of a port that is in use', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const bound = blocker.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const error = await failedListen(port, '127.0.0.1');
    blocker.close();
    const config = { ...context.config, httpAddr: { host: '127.0.0.1', port } };
    expect(explainFailure(error, { ...context, config })).toEqual({
      exitCode: 6,
      message: `127.0.0.1:${port} is in use by another process`,
      remedy: `Stop that process (ss -ltnp 'sport = :${port}' shows it), or choose another address with --http-addr.`,
    });
  });

  it('names the flag of an address that is not of this machine', async () => {
    const error = await failedListen(9092, '203.0.113.1');
    const config = { ...context.config, listenAddr: { host: '203.0.113.1', port: 9092 } };
    expect(explainFailure(error, { ...context, config })).toMatchObject({
      exitCode: 6,
      message: '203.0.113.1:9092 is no address of this machine',
      remedy: 'Choose another address with --listen-addr.',
    });
  });

  it('understands the text of a gRPC server that could not bind', () => {
    const error = new Error('cannot listen on 0.0.0.0:9093: No address added out of total 1 resolved: EADDRINUSE');
    expect(explainFailure(error, context)).toMatchObject({ exitCode: 6, message: '0.0.0.0:9093 is in use by another process' });
  });

  it('ends with a code of its own where the cluster does not let the node in', () => {
    const error = new FormationRefusedError(
      'the cluster does not let this node in: its version is too old.',
      'Start a newer one.',
    );
    expect(explainFailure(new Error('start', { cause: error }), context)).toEqual({
      exitCode: 12,
      message: 'the cluster does not let this node in: its version is too old',
      remedy: 'Start a newer one.',
    });
  });

  it('passes on what a part of the node explained itself, also from below other errors', () => {
    const inner = addressUnavailable(
      '--listen-addr',
      { host: 'x', port: 1 },
      Object.assign(new Error('a'), { code: 'ENOTFOUND' }),
    );
    const outer = new Error('outer', { cause: new Error('middle', { cause: inner }) });
    expect(inner).toBeInstanceOf(StartupError);
    expect(explainFailure(outer, context)).toEqual({
      exitCode: 6,
      message: 'x:1 names a host that is not known',
      remedy: 'Choose another address with --listen-addr.',
    });
  });

  it.each([
    ['ID=debian', 'apt-get install libatomic1'],
    ['ID=ubuntu\nID_LIKE=debian', 'apt-get install libatomic1'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'dnf install libatomic'],
    ['ID=alpine', 'apk add libatomic'],
  ])('prints the command that installs libatomic on %j', (osRelease, command) => {
    const load = new Error('libatomic.so.1: cannot open shared object file: No such file or directory');
    const error = Object.assign(new Error("Cannot load addon 'file:///rocksdb-native.node'", { cause: load }), {
      code: 'CANNOT_LOAD',
    });
    expect(explainFailure(error, { ...context, osRelease })).toEqual({
      exitCode: 9,
      message: 'the system library libatomic.so.1, which RocksDB needs, is not installed',
      remedy: `Install it: ${command}`,
    });
  });

  it.each([
    [new JournalDamagedError('/d/journal.3', 4096, 'bad CRC'), 7],
    [new LogError('damaged', 'x'), 7],
    [new JournalFormatError('/d/journal.3', 9, 1), 5],
    [new MetadataLogError('The log has a gap.'), 7],
    [new RaftStorageError('A segment is damaged.'), 7],
    [new ImageUnreadableError('/data/controller/image', new Error('checksum mismatch')), 7],
    [new ControllerStartError('The metadata log is that of another cluster.'), 7],
    [new RaftFormatError("the controller's journal", 'a record of type 9'), 5],
    [new UnknownRecordError('kind 99'), 5],
    [new ForeignClusterError('This node belongs to cluster A.'), 4],
    [new BrokerRefusedError('This is cluster A, not B.', 104), 4],
    [new JournalFailedError('write failed'), 8],
    [Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }), 8],
    [new LogError('gone', 'x'), 1],
    ['not even an error', 1],
    [undefined, 1],
  ])('gives %s exit code %d', (error, exitCode) => {
    expect(explainFailure(error, context).exitCode).toBe(exitCode);
  });

  it('survives an error that is its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    expect(explainFailure(error, context).message).toBe('unexpected error: round');
  });
});
