policy actor from hf("m") { gradient_checkpointing: True }
