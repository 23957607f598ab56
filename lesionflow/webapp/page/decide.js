"use strict";

/* From a network's outputs to probabilities and decisions, as lesionflow/model/decision.py. */

const TRUSTED = "no", UNCERTAIN = "uncertain", UNFAMILIAR = "unfamiliar";

/** Logits, in the order of the diagnoses, to probabilities. */
function calibrated(logits, { temperature, logit_offsets }) {
  const scaled = Array.from(logits, (logit, i) => logit / temperature + logit_offsets[i]);
  const greatest = Math.max(...scaled), powers = scaled.map((value) => Math.exp(value - greatest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** What a model says of one image; distance NaN where it has none. */
function decide(probabilities, distance, { calibration, priorOfCall, malignantIndices }) {
  let called = 0;
  probabilities.forEach((share, i) => {
    if (share / priorOfCall[i] > probabilities[called] / priorOfCall[called]) called = i;
  });
  const malignantProbability = malignantIndices.reduce((sum, i) => sum + probabilities[i], 0);
  let refer = probabilities[called] < calibration.uncertain_below ? UNCERTAIN : TRUSTED;
  if (calibration.unfamiliar_above !== null && distance > calibration.unfamiliar_above) refer = UNFAMILIAR;
  const malignant = malignantProbability >= calibration.malignant_threshold;
  return { probabilities, called, malignantProbability, malignant, refer };
}
