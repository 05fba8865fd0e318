## RLCoder: a retriever for code completion that learns from how much each block helps a language model.
## Paper: Wang et al. 2024, "RLCoder: Reinforcement Learning for Repository-Level Code Completion".
##
## For each place in the code there are candidate blocks, one of them empty: nothing is needed. A frozen language model says how
## likely the true completion is with each block before it; the block of the lowest perplexity gets the reward. The retriever is a
## categorical policy over the candidates, `softmax(20 similarity)`, so that the update is a cross-entropy towards that block.
## At inference the blocks ranked above the empty one are used.
## The paper: 10 candidates of BM25 and of the retriever itself, drawn anew in each of 20 epochs, similarity the cosine of two
## embeddings, gradient clip 1. Here: 4 blocks and the empty one, each written out, since a data set has no rows within rows.

import std.supervised (nll_token_mean)

param scale: Real in (0, 100] = 20
param warm: Int in [1, 1000] = 40
param steps: Int in [1, 100000] = 30

data files from python("tasks.repository:files", count: 1024) {
  before:     Text
  completion: Text
  block_a:    Text
  block_b:    Text
  block_c:    Text
  block_d:    Text
}

policy writer from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("fghk=;012#>"))
embedder retriever from tiny(layers: 2, width: 48, heads: 4, tokenizer: characters("fghk=;012#>"))

response done = files.completion given files.before for writer

# what is embedded stands by itself, after a sign that begins it
let begin = text.prefix(files.before, 0) + "#"

response query = files.before given begin for writer
response a = files.block_a given begin for writer
response b = files.block_b given begin for writer
response c = files.block_c given begin for writer
response d = files.block_d given begin for writer
response none = begin given begin for writer

let loss_a = perplexity(logp(writer, done given files.block_a + files.before))
let loss_b = perplexity(logp(writer, done given files.block_b + files.before))
let loss_c = perplexity(logp(writer, done given files.block_c + files.before))
let loss_d = perplexity(logp(writer, done given files.block_d + files.before))
let loss_none = perplexity(logp(writer, done))
let best = min(min(min(loss_a, loss_b), min(loss_c, loss_d)), loss_none)

## The mean negative log-probability of the completion: the logarithm of its perplexity.
fn perplexity(log_p: Real @ token) -> Real @ sample = -mean(log_p, per: sample)

## `log(exp a + exp b)`.
fn log_add(a: Real, b: Real) -> Real = a + softplus(b - a)

## The log-probability that a candidate gets, where its loss is the best, else 0.
fn rewarded(logit: Real, total: Real, loss: Real, best: Real) -> Real =
  where(loss <= best, logit - total, 0)

objective completion for writer {
  minimize nll: nll_token_mean(writer, done)
}

objective retrieval for retriever {
  let asked = embed(retriever, query)
  let sa = scale * cosine(asked, embed(retriever, a))
  let sb = scale * cosine(asked, embed(retriever, b))
  let sc = scale * cosine(asked, embed(retriever, c))
  let sd = scale * cosine(asked, embed(retriever, d))
  let sn = scale * cosine(asked, embed(retriever, none))
  let total = log_add(log_add(log_add(sa, sb), log_add(sc, sd)), sn)
  let chosen_a = rewarded(sa, total, loss_a, best)
  let chosen_b = rewarded(sb, total, loss_b, best)
  let chosen_c = rewarded(sc, total, loss_c, best)
  let chosen_d = rewarded(sd, total, loss_d, best)
  let chosen_none = rewarded(sn, total, loss_none, best)
  minimize loss: -mean(chosen_a + chosen_b + chosen_c + chosen_d + chosen_none)
}

train {
  stage writer {
    repeat warm {
      draw 64 rows
      update writer with completion { optimizer: adamw(lr: 3e-3), clip_gradient: 1.0 }
    }
  }
  stage retriever {
    repeat steps {
      draw 32 rows
      update retriever with retrieval { optimizer: adamw(lr: 1e-3), clip_gradient: 1.0 }
    }
  }
}

test "ten candidates of one score: the third costs ln 10" {
  let two = log_add(0.3, 0.3)
  let four = log_add(two, two)
  let ten = log_add(log_add(four, four), two)
  expect -rewarded(0.3, ten, 1.5, 1.5) == 2.3025850930 within 1e-9
  expect -rewarded(0.3, ten, 1.6, 1.5) == 0
}

test "the gradient is that of a softmax: the rewarded block less its probability" {
  # scores 0, 1: probabilities 1 / (1 + e) and e / (1 + e)
  let a = live([0] @ sample)
  let b = live([1] @ sample)
  let loss = sum(rewarded(b, log_add(a, b), 0.2, 0.2))
  expect gradient(loss, of: a) == [-0.2689414214] within 1e-9
  expect gradient(loss, of: b) == [0.2689414214] within 1e-9
}
