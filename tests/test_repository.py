"""The repository says each thing once: its address, its versions, its dependencies, its links."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lwlr_teach
from lwlr_teach.command.site import PUBLISHED
from tests.repository import ROOT, repository_files, unignored

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

REPOSITORY = PROJECT["urls"]["Repository"]
SLUG = REPOSITORY.removeprefix("https://github.com/")
BINDER = "https://mybinder.org/v2/gh/" + SLUG + "/main?urlpath=lab/tree/"
FIRST_LESSON = "lessons/00-start-here.ipynb"

# No pattern here matches its own source text, so this file needs no exception.
GITHUB_ADDRESS = re.compile(r"github(?:usercontent)?(?:\.com)?[/:]([\w.-]+)/(lwlr[\w.-]*)", re.IGNORECASE)
BINDER_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?mybinder\.org/v2/\w+/\w[^\s()\[\]<>\"'\\`]*")
REGISTRY_HOSTS = [("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("deb", "debian", "org")]
REGISTRIES = re.compile("|".join(r"\.".join(host) for host in REGISTRY_HOSTS))


def texts() -> dict[str, str]:
    """The files that are text, by their path in the repository."""
    found = {}
    for path in repository_files():
        data = path.read_bytes()
        if b"\0" not in data:
            found[path.relative_to(ROOT).as_posix()] = data.decode("utf-8")
    return found


def matches(pattern: re.Pattern[str]) -> list[tuple[str, re.Match[str]]]:
    return [(name, match) for name, text in texts().items() for match in pattern.finditer(text)]


@pytest.mark.parametrize(
    "name", ["README.md", "lessons/README.md", "CONTRIBUTING.md", "CHANGELOG.md", FIRST_LESSON]
)
def test_what_the_reader_is_sent_to_exists(name):
    assert (ROOT / name).stat().st_size > 0


def test_every_address_of_the_repository_is_the_one_in_pyproject():
    found = [(name, f"{m[1]}/{m[2].rstrip('.').removesuffix('.git')}") for name, m in matches(GITHUB_ADDRESS)]
    assert ("pyproject.toml", SLUG) in found
    assert [(name, slug) for name, slug in found if slug != SLUG] == []


@pytest.mark.slow
def test_every_binder_link_opens_a_lesson_of_this_repository():
    for name, match in matches(BINDER_ADDRESS):
        assert match[0].startswith(BINDER), f"{name}: {match[0]} does not start with {BINDER}"
        # What Binder opens is the learner's copy, which postBuild makes.
        copied = match[0].removeprefix(f"{BINDER}my-")
        assert (ROOT / copied).is_file(), f"{name}: {match[0]} opens no file"


def test_readme_offers_the_first_lesson_on_binder_and_names_the_repository():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"]({BINDER}my-{FIRST_LESSON})" in readme
    assert REPOSITORY in readme


def test_the_site_is_where_github_publishes_this_repository():
    owner, name = SLUG.split("/")
    assert f"https://{owner}.github.io/{name}" == PUBLISHED


def test_no_file_names_the_host_of_a_package_registry():
    assert [(name, match[0]) for name, match in matches(REGISTRIES)] == []


def test_version_and_address_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"] == lwlr_teach.__version__
    assert citation["repository-code"] == REPOSITORY


def constraints() -> dict[str, str]:
    """The tested version of every package, by its normal name; fails on any line that says more than that."""
    versions = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        parts = re.fullmatch(r"([\w.-]+)==([\d.]+)", line)
        assert parts, f"constraints.txt holds more than name==version: {line!r}"
        versions[canonicalize_name(parts[1])] = parts[2]
    return versions


def test_constraints_fit_the_ranges_of_pyproject():
    versions = constraints()
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in versions, f"constraints.txt has no version of {name}"
        assert versions[name] in requirement.specifier, f"{name}: {versions[name]} does not fit {text}"


def test_relative_links_in_markdown_lead_somewhere():
    link = re.compile(r"\]\(([^()\s]+)|(?:src|srcset|href)=\"([^\"]+)\"")
    markdown = [path for path in repository_files() if path.suffix == ".md"]
    targets = [(path, m[1] or m[2]) for path in markdown for m in link.finditer(path.read_text("utf-8"))]
    relative = [(path, target) for path, target in targets if not re.match(r"[a-z]+:|#", target)]
    broken = [(p.name, t) for p, t in relative if not (p.parent / t.partition("#")[0]).exists()]
    assert broken == []


def test_without_git_the_same_files_are_found():
    """As in an unpacked sdist, which has more: what its build noted."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: there is no git to compare with")
    assert unignored(ROOT) == sorted(path.relative_to(ROOT).as_posix() for path in repository_files())
