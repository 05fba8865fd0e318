policy actor form hf("m")
