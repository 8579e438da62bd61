"""From a compressed graph to the files that the extension loads."""
