import { ErrorCode } from '@streamline/core/types/error-code';
import { unregisterBroker } from '@streamline/wire/kafka/apis/64-unregister-broker';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';

describe('UnregisterBroker', () => {
  let node: NodeProcess | undefined;
  afterEach(() => node?.remove());

  it('forgets a broker, which registers again where it is alive, and has what it had; an unknown one is 102', async () => {
    node = await NodeProcess.start();
    const broker = await Broker.connect(node.bootstrap);
    const topic = unique('kept');
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['before']));

    expect(await broker.request(unregisterBroker, 0, { brokerId: 7 })).toMatchObject({
      errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED,
      errorMessage: 'No broker with id 7 is registered.',
    });
    expect(await broker.request(unregisterBroker, 0, { brokerId: 1 })).toMatchObject({ errorCode: 0, errorMessage: null });
    const offset = await eventually('the broker leads its partition again', async () => {
      const answer = await broker.tryProduce(topic, 0, batchOf(['after']));
      return answer.errorCode === ErrorCode.NONE && Number(answer.baseOffset);
    });
    expect(offset).toBe(1);
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['before', 'after']);
    await node.waitReady();
    await broker.close();
    expect(await node.stop()).toEqual([0]);
  });
});
