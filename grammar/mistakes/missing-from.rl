policy actor hf("Qwen/Qwen2.5-1.5B")
