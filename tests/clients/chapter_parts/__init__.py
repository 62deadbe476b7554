"""Parts of chapter.py: the programs of the document, and the driver that runs one of them."""
