"""Reading models as their authors publish them: Hugging Face directories and ONNX files."""
