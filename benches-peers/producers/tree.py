"""The tree that the scripts of this folder measure."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commit(*folders):
    """The commit that is checked out, and whether something in these folders differs from it."""
    git = lambda *arguments: subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", *folders)
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
