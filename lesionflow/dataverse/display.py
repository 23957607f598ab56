"""What a person sees of a download: a bar for each file on a terminal, and what went wrong in between anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.progress import TaskID


class DownloadDisplay:
    """Bars of the files that are on their way, on the console it is given; to be used in a `with`."""

    def __init__(self, console: Console):
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(12), DownloadColumn(), Speed(), TimeRemainingColumn())
        self.console = console
        self.bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> DownloadDisplay:
        self.bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.bars.stop()

    def advance(self, name: str, size: int | None) -> Callable[[int], None]:
        """Add a file's bar; gives what is to be told of its bytes."""
        task = self.tasks[name] = self.bars.add_task(name, total=size)
        return lambda count: self.bars.update(task, advance=count)

    def unpacking(self, name: str) -> None:
        """A file is whole, and unpacked now."""
        if name in self.tasks:
            self.bars.update(self.tasks[name], description=f"unpacking {name.removesuffix('.zip')}")

    def say(self, text: str) -> None:
        """A line above the bars."""
        self.console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
