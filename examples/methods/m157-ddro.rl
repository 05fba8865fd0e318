## DDRO: a retriever that writes document identifiers, trained on which document is more relevant.
## Paper: Mekonnen et al. 2025, "Lightweight and Direct Document Relevance Optimization for Generative Information Retrieval".
##
## First the model learns to write the identifier of a relevant document, then a pairwise loss against the supervised model
## raises relevant identifiers over those that other retrievers found. The loss is that of DPO, pair by pair.
## The paper: beta 0.4, a T5 encoder-decoder, identifiers as URLs and titles or as quantised codes, negatives by BM25.
## Here: a decoder alone and identifiers of two letters. At inference the paper searches by beams within the trie of all
## identifiers; rollouts here draw from the whole vocabulary.

import std.preference (dpo, implicit_reward)
import std.supervised (nll_token_mean)

param beta: Real in (0, 10] = 0.4
param warm: Int in [1, 1000] = 20
param steps: Int in [1, 100000] = 30

data queries from python("tasks.documents:queries", count: 1024) {
  query:      Text
  relevant:   Text
  irrelevant: Text
}

policy actor from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("abcdxyz>"))
policy ref = frozen(actor)

response win = queries.relevant given queries.query
response lose = queries.irrelevant given queries.query

objective supervised for actor {
  minimize nll: nll_token_mean(actor, win)
}

objective relevance for actor {
  let margin = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)
  minimize loss: mean(dpo(margin, beta))
}

train {
  stage supervised {
    repeat warm {
      draw 32 rows
      update actor with supervised { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  reset ref to actor
  stage relevance {
    repeat steps {
      draw 32 rows
      update actor with relevance { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "log-ratios 1 and -0.5 at beta 0.4" {
  # -log sigmoid(0.4 * 1.5)
  expect dpo(1 - -0.5, 0.4) == 0.4374879504 within 1e-9
}

test "equal log-ratios are a toss-up" {
  expect dpo(0.7 - 0.7, 0.4) == 0.6931471806 within 1e-9
}
