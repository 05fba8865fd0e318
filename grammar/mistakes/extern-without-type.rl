extern fn score(text: Text) = python("module:score")
