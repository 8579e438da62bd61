"""The engine and the built extension, measured in real browsers beside their peers."""
