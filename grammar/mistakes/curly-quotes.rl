policy actor from hf(“Qwen/Qwen2.5-1.5B”)
