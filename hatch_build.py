"""What a wheel holds beside the package: lessons, tested versions, a site if it is built; and its README."""

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class HandedOut(BuildHookInterface[Any]):
    """Puts them where ``lwlr_teach.command.files`` looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a clone has them beside the package
            return
        root = Path(self.root)
        lessons, site = root / "lessons", root / "build" / "site"
        files = {root / "constraints.txt": "constraints.txt"}
        files |= {path: f"lessons/{path.name}" for path in [*lessons.glob("*.ipynb"), lessons / "README.md"]}
        pages = [path for path in site.rglob("*") if path.is_file()]
        files |= {path: f"site/{path.relative_to(site).as_posix()}" for path in pages}
        build_data["force_include"] |= {str(path): f"lwlr_teach/{name}" for path, name in files.items()}


class Readme(MetadataHookInterface):
    """The README, whose links and pictures a package index has to find in the repository."""

    def update(self, metadata: dict[str, Any]) -> None:
        address = metadata["urls"]["Repository"]
        text = (Path(self.root) / "README.md").read_text("utf-8")
        for before, kind in ((r"\]\(", "blob"), (r'(?:src|srcset)="', "raw")):
            text = re.sub(rf"({before})(?![a-z]+:|#)", rf"\1{address}/{kind}/main/", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
