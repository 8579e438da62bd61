"""Speed and size of what is shipped, in real browsers, against native ONNX Runtime."""
