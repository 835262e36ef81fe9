"""`python -m cityscapes.scoring`: score predictions, or compare two results."""

from cityscapes.scoring import main

if __name__ == "__main__":
    raise SystemExit(main())
