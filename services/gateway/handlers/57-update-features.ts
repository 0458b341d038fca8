import { ErrorCode } from '@streamline/core/types/error-code';
import { updateFeatures } from '@streamline/wire/kafka/apis/57-update-features';
import type { RequestOf } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs, outcomeOf } from '../context/controller-calls';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

type FeatureUpdate = RequestOf<typeof updateFeatures>['featureUpdates'][number];

const UpgradeType = { upgrade: 1, safeDowngrade: 2 } as const;

/** Raises finalized features, all or none. */
export const updateFeaturesHandler = handler({
  api: updateFeatures,
  failures: CONTROLLER_FAILURES,
  async handle({ featureUpdates, validateOnly, timeoutMs }, context) {
    const updates = featureUpdates.map((update) => ({
      name: update.feature,
      kafkaLevel: update.maxVersionLevel,
      upgradeType: upgradeTypeOf(update, context.apiVersion),
    }));
    const request = { updates, validateOnly, timeoutMs };
    const { error, metadataIndex } = await context.gateway.controller.updateFeatures(request, {
      deadlineMs: controllerDeadlineMs(timeoutMs),
    });
    if (!validateOnly) await context.whenApplied(metadataIndex);
    const outcome = outcomeOf(error);
    const done = outcome.errorCode === ErrorCode.NONE ? featureUpdates : [];
    const results = done.map(({ feature }) => ({ feature, errorCode: ErrorCode.NONE, errorMessage: null }));
    return { throttleTimeMs: 0, ...outcome, results };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, results: [] };
  },
});

/** v0 could only say whether a downgrade is allowed. */
function upgradeTypeOf({ allowDowngrade, upgradeType }: FeatureUpdate, version: number): number {
  if (version > 0) return upgradeType;
  return allowDowngrade ? UpgradeType.safeDowngrade : UpgradeType.upgrade;
}
