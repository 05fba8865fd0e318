## Members of a group and their texts, chosen by a condition: what a prompt is made of when it shows what the policy wrote before.

## The first member of a group for which a flag is 1; none where it is 0 for all. `per` is above the level of the flag.
fn is_first(flag: Real, per: Level) -> Bool = flag > 0 and top(flag, 1, per: per)

## The text of the member of each group that is chosen, for a prompt: `text_of(y.text, is_first(correct, per: prompt), per: prompt)`.
## Of several that are chosen the most frequent text, the first of ties; absent where none is: `… else ""`.
fn text_of(x: Text, chosen: Bool, per: Level) -> Text =
  majority(text.prefix(x, where(chosen, 1, absent)), per: per)

## A text where a condition holds, else the empty text; the texts of several conditions are joined by `+`:
## `text_where(is_easy, easy) + text_where(not is_easy, hard)`.
fn text_where(condition: Bool, x: Text) -> Text = text.prefix(x, where(condition, 1, 0))

test "the first of those that are 1, and none of none" {
  expect is_first([[0, 1, 1], [0, 0, 0], [1, 0, 1]] @ sample, per: prompt)
    == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
}

test "the text of the one that is chosen, absent where none is" {
  let said = [["a", "bc", "d"], ["e", "f", "g"]] @ sample
  let chosen = is_first([[0, 1, 1], [0, 0, 0]] @ sample, per: prompt)
  expect verify.equal(text_of(said, chosen, per: prompt), "bc") == [1, absent]
  expect verify.equal(text_of(said, chosen, per: prompt) else "", "bc") == [1, 0]
}

test "a text where it is wanted" {
  let said = ["ab", "cd"] @ sample
  let wanted = [1, 0] @ sample
  expect verify.equal(
    text_where(wanted > 0, said) + text_where(wanted == 0, said + said),
    ["ab", "cdcd"] @ sample
  )
    == [1, 1]
}
