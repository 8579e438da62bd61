"""From an unpacked extension to an archive that browsers and stores accept."""
