import kafkajs, { type Consumer, type EachMessagePayload, type Kafka } from 'kafkajs';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import snappy from 'snappy';
import { Decoder, Encoder } from '@toondepauw/node-zstd';
import { inject } from 'vitest';

/** kafkajs brings gzip only; the others come as its plugins do, in raw (snappy) and in frame form. */
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = () => ({
  compress: (encoder: { buffer: Buffer }) => snappy.compress(encoder.buffer),
  decompress: (bytes: Buffer) => snappy.uncompress(bytes),
});
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
  compress: (encoder: { buffer: Buffer }) => Promise.resolve(compressFrameSync(encoder.buffer)),
  decompress: (bytes: Buffer) => Promise.resolve(decompressFrameSync(bytes)),
});
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: (encoder: { buffer: Buffer }) => new Encoder(3).encode(encoder.buffer),
  decompress: (bytes: Buffer) => new Decoder().decode(bytes),
});

export const { CompressionTypes } = kafkajs;

export function connect(clientId = 'kafkajs-spec'): Kafka {
  return new kafkajs.Kafka({
    clientId,
    brokers: [inject('bootstrap')],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 60_000,
    retry: { initialRetryTime: 50, retries: 10 },
  });
}

export interface Received {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly headers: EachMessagePayload['message']['headers'];
}

/** Runs a consumer until `count` messages have come; the caller disconnects it. */
export function receive(consumer: Consumer, count: number): Promise<Received[]> {
  const received: Received[] = [];
  return new Promise((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachMessage: ({ partition, message }) => {
          received.push({
            partition,
            offset: Number(message.offset),
            key: message.key?.toString(),
            value: message.value?.toString(),
            headers: message.headers,
          });
          if (received.length === count) resolve(received);
          return Promise.resolve();
        },
      })
      .catch(reject);
  });
}
