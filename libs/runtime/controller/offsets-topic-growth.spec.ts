import { expect, it } from 'vitest';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { TopicId } from '@streamline/core/types/ids';
import {
  ControllerKit,
  create,
  heartbeat,
  registration,
  startBroker,
  topic,
} from '@streamline/testing/controller/controller-kit';
import { until } from '@streamline/testing/time/until';

it('the offsets topic gets more replicas by itself when brokers join', async () => {
  const kit = new ControllerKit();
  const { role } = await kit.start();
  await startBroker(role);
  const [created] = (await create(role, topic(OFFSETS_TOPIC, { partitions: 3 }))).topics;
  const replicas = () =>
    role.replica.image.topics.get(created?.topicId as TopicId)?.partitions.map((each) => each.replicas.length);
  for (let tick = 0; tick < 5; tick += 1) kit.clock.advance(1_000);
  expect(replicas()).toEqual([1, 1, 1]);
  const joined = await role.registerBroker(registration('second', { brokerId: 2, directoryId: 'anotherdirectory000000' }));
  await heartbeat(role, joined.brokerEpoch, { brokerId: 2 });
  kit.clock.advance(1_000);
  await until(() => replicas()?.every((count) => count === 2) === true);
  expect(role.replica.image.topics.get(created?.topicId as TopicId)?.partitions[0]).toMatchObject({
    addingReplicas: [2],
    isr: [1],
  });
});
