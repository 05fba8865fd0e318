extern score(text: Text) -> Real = python("module:score")
