"""`python -m lesionflow` is the console script."""

from lesionflow.cli import main

if __name__ == "__main__":
    main()
