import { describe, expect, it } from 'vitest';
import { REFUSED_FOR_MS } from '@streamline/core/metadata/broker-suspicions';
import { ControllerKit, heartbeat, NODE, registration } from '@streamline/testing/controller/controller-kit';
import { until } from '@streamline/testing/time/until';
import type { ControllerRole } from './controller-role';

const STORAGE = [{ name: 'storage', host: 'one', port: 9093 }];
const stateOfBroker = (role: ControllerRole) => role.replica.image.brokers.get(NODE)?.state;

describe('a controller that leads behind a restart of all nodes', () => {
  it('takes a broker for gone that stays away, unless its node is heard of', async () => {
    const kit = new ControllerKit();
    const first = await kit.start();
    const { brokerEpoch } = await first.role.registerBroker(registration('first', { listeners: STORAGE }));
    await heartbeat(first.role, brokerEpoch);
    await kit.stop(first);
    const refuseTwice = (role: ControllerRole, between: () => void = () => undefined): void => {
      role.connectionRefused('one:9093');
      between();
      kit.clock.advance(REFUSED_FOR_MS);
      role.connectionRefused('one:9093');
    };
    const second = await kit.start();
    refuseTwice(second.role, () => second.role.memberHeard('one:9093'));
    await heartbeat(second.role, brokerEpoch);
    expect(stateOfBroker(second.role)).toBe('Running');
    await kit.stop(second);
    const { role, expired } = await kit.start();
    refuseTwice(role);
    await until(() => expired.length > 0);
    expect(stateOfBroker(role)).toBe('Dead');
  });
});
