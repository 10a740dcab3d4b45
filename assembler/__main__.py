"""`python -m assembler` is the same program as `brasm`."""

from assembler.cli import main

if __name__ == "__main__":
    main()
