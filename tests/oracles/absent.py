"""Entries of the library that no peer has, and why. Looked for by name and by formula in the sources of TRL 1.16 and 1.0, verl 0.9,
OpenRLHF 0.11 and 0.8, Liger, TorchRL, SkyRL, AReaL and ms-swift 4.6."""

from __future__ import annotations

ESTIMATE = "an estimate by one token: equal to the exact divergence on average alone, which tests/laws computes"
TEXT = "of texts, no number"
STATE = "one step of a running value; the peers' are other ones (TRL's BCO: a mean by counts)"
ORDER = "no peer has it: a weight by the signs, the order or the spread of a group"
METHOD = "no peer has the method"
RECIPE = "no peer has the method; verl's recipes are not in its package"
TERM = "no peer has the term"
TRIVIAL = "a count or a choice, of which there is nothing to compare"
FITTED = "one sigmoid or one quotient of numbers that come from outside"
COSINE = "of the language's `similarity`, an embedder's cosine: tests/rollouts/test_similarity.py has torch's beside it"

WHY = {
    TEXT: "choice.is_first choice.text_of choice.text_where",
    STATE: "advantage.tracked_mean advantage.tracked_quantile watch.at_start watch.slow_mean",
    ORDER: "advantage.l1_normalize advantage.scale advantage.sign_balanced advantage.without_outliers group.class_weight",
    ESTIMATE: """
        divergence.alpha_straight_through_of divergence.forward_kl_straight_through_of divergence.js_straight_through_of
        divergence.sampled_alpha divergence.sampled_alpha_of divergence.sampled_forward_kl divergence.sampled_forward_kl_of
        divergence.sampled_js divergence.sampled_js_of divergence.sampled_tv divergence.sampled_tv_of
        divergence.tv_straight_through_of distillation.sampled_generalized_jsd entropy.sampled_entropy""",
    METHOD: """
        contrastive.attraction contrastive.repulsion entropy.entropy_shaped group.pass_at_k_reward group.quantile_advantage nash.dno
        nash.dno_group nash.win_rates outcome.by_outcome outcome.nsr outcome.psr outcome.reweighted outcome.w_reinforce
        policy_gradient.self_imitation policy_gradient.self_imitation_value policy_gradient.topr reference_free.cpl
        reference_free.segment_score regression.copg regression.copg_group regression.rebel regression.rebel_group
        process.capo rubric.above_answers rubric.over_answers
        regression.regularized_reward regression.rso_acceptance returns.blended_advantage returns.length_adaptive_lambda
        shaping.efficient_length shaping.exact_length shaping.kimi_length shaping.length_budget surrogate.shaped""",
    RECIPE: "group.pass_at_k_advantage group.prime_advantage group.prime_process_advantage_in_code group.process_advantage",
    TERM: """
        reward_model.implicit_process_value reward_model.ordinal_grade_loss reward_model.ordinal_loss
        reward_model.uncertainty_weighted scoring.brier_skill scoring.calibrated_reward scoring.spherical_score""",
    TRIVIAL: "distillation.is_unsolved pairing.is_apart shaping.earned_bonus shaping.in_form",
    FITTED: "scoring.platt scoring.tempered watch.moved",
    COSINE: "contrast.contrast contrast.contrast_share",
    "the peers' multipliers are parameters of an optimizer": "coefficient.dual_ascent coefficient.dual_ascent_log",
    "TRL's quantile is over all tokens: `entropy.forking_tokens`": "entropy.forking_tokens_of_answer",
    "verl has another scale: `policy_gradient.nonzero_scale`": "policy_gradient.informative_scale",
    "TorchRL's (IQL) is within a module of its own": "supervised.awr_weight",
}
ABSENT: dict[str, str] = {entry: why for why, entries in WHY.items() for entry in entries.split()}
