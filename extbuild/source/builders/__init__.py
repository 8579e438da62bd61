"""From safetensors to an ONNX graph, one file per model family; no training framework needed."""
