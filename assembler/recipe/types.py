"""The recipe, key for key. The descriptions here are those of the JSON schema."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from assembler.oci.image import Compression

Mode = Literal["closure", "prune", "all"]
Split = Literal["single", "runtime+app", "package"]
StripMode = Literal["none", "debug", "unneeded"]
DlopenPriority = Literal["required", "recommended", "suggested", "strings"]
FileType = Literal["file", "directory", "symlink"]
Network = Literal["none", "host"]
Strategy = Literal["grid", "one-at-a-time", "random"]
Cpu = Literal["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]

Glob = Annotated[str, Meta(description="An absolute glob: *, ?, [...], {a,b}, ** for directories; ! takes back.")]
Owner = Annotated[
    str,
    Meta(description="Numeric ids: 'uid' or 'uid:gid'; a uid alone is its own group.", pattern=r"^\d+(:\d+)?$"),
]
Octal = Annotated[str, Meta(description="Permission bits in octal, such as '0755'.", pattern=r"^[0-7]{3,4}$")]
Kernel = Annotated[
    str,
    Meta(
        description="The oldest Linux that the image is to run on, such as '4.4'; what needs a newer one is reported.",
        pattern=r"^\d+\.\d+(\.\d+)?$",
    ),
]
Release = Annotated[
    str,
    Meta(
        description="The release of Buildroot, such as '2025.02.16': cloned where no tree is given.",
        pattern=r"^\d{4}\.\d{2}(\.\d+)?(-rc\d+)?$",
    ),
]
Commit = Annotated[
    str, Meta(description="The commit that the release's tag must be, in full.", pattern=r"^[0-9a-f]{40}$")
]
Duration = Annotated[str, Meta(description="A time such as '30s', '1m30s', '500ms'.", pattern=r"^(\d+(ms|s|m|h))+$")]

Port = Annotated[
    str, Meta(description="Port that is listened on: '8080/tcp', '53/udp'.", pattern=r"^\d{1,5}(/(tcp|udp))?$")
]


class SourceSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the root filesystem comes from: exactly one of the four."""

    buildroot: Annotated[str | None, Meta(description="A Buildroot defconfig, built by `brasm build`.")] = None
    directory: Annotated[str | None, Meta(description="A root filesystem; '/' is this machine's own.")] = None
    archive: Annotated[str | None, Meta(description="A tarball, plain or gz, xz, zst, bz2.")] = None
    image: Annotated[str | None, Meta(description="An image: oci:, oci-archive:, docker-archive:.")] = None
    mounts: Annotated[
        tuple[str, ...],
        Meta(description="Directories whose mounted filesystem is read as well (directory only)."),
    ] = ()


class BuildrootSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How Buildroot builds `source.buildroot`; all of it is part of what a build is known by."""

    version: Release | None = None
    commit: Commit | None = None
    repository: Annotated[
        str | None, Meta(description="The git repository that is cloned; default: Buildroot's own.")
    ] = None
    releases: Annotated[
        tuple[str, ...],
        Meta(description="Releases that --buildroot may have, as globs; default: those of the version's series."),
    ] = ()
    toolchain: Annotated[
        str | None,
        Meta(description="A fragment of toolchain/configs with options: 'x86-64-glibc+cxx'; none: the defconfig's."),
    ] = None
    internal_toolchain: Annotated[
        bool, Meta(description="Build the toolchain with the packages, in place of an SDK that recipes share.")
    ] = False
    options: Annotated[
        tuple[str, ...], Meta(description="Options of toolchain/options for the packages alone: 'size', 'relro'.")
    ] = ()
    fragments: Annotated[
        tuple[str, ...], Meta(description="Files beside the recipe whose lines come after the defconfig's.")
    ] = ()
    external: Annotated[tuple[str, ...], Meta(description="Further BR2_EXTERNAL folders, beside the recipe.")] = ()
    ccache: Annotated[bool, Meta(description="Compile through ccache (BR2_CCACHE).")] = False
    per_package: Annotated[
        bool, Meta(description="A folder for each package (BR2_PER_PACKAGE_DIRECTORIES), which builds in parallel.")
    ] = False
    jobs: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Jobs of a package's make; default: one a core.")
    ] = None


class VariantSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Another build of the same image, selected with --variant: its tag ends in `-NAME`."""

    description: str = ""
    toolchain: Annotated[str | None, Meta(description="In place of buildroot.toolchain.")] = None
    options: Annotated[tuple[str, ...] | None, Meta(description="In place of buildroot.options.")] = None
    defconfig: Annotated[str | None, Meta(description="A file whose lines come after the defconfig's.")] = None
    set: Annotated[
        dict[str, str | int | bool | list[str]],
        Meta(description="Other keys of the recipe, by their path: { 'budget.compressed' = '1.2 MB' }."),
    ] = {}


class SelectSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What of the root filesystem comes into the image."""

    mode: Annotated[
        Mode,
        Meta(description="closure: what the roots reach; prune: all but what is dropped; all: everything."),
    ] = "closure"
    roots: Annotated[
        tuple[str, ...], Meta(description="Programs or files to start from, besides entrypoint and tests.")
    ] = ()
    keep: Annotated[tuple[Glob, ...], Meta(description="Kept whatever any rule says, with what it needs.")] = ()
    drop: Annotated[tuple[Glob, ...], Meta(description="Dropped, unless `keep` keeps it.")] = ()
    locales: Annotated[tuple[str, ...], Meta(description="Locales whose data stays; C is always there.")] = ("C",)
    charsets: Annotated[
        tuple[str, ...],
        Meta(description="Character sets whose gconv modules stay; UTF-8 is built into glibc."),
    ] = ()
    licenses: Annotated[bool, Meta(description="Keep licence and copyright files.")] = False
    dlopen: Annotated[DlopenPriority, Meta(description="Least priority of dlopen'ed libraries that is kept.")] = (
        "recommended"
    )
    rules: Annotated[
        dict[str, bool], Meta(description="dlopen rules by name: asked or not, whatever their priority.")
    ] = {}


class StripSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Removal of symbols that nothing at run time reads."""

    mode: Annotated[StripMode | None, Meta(description="Default: unneeded, or none where select.mode is all.")] = None
    tool: Annotated[str | None, Meta(description="The strip program; else one for the architecture is looked for.")] = (
        None
    )


class FileSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A file, directory or symbolic link that no package installs."""

    path: Annotated[str, Meta(description="Where it stands, absolute.")]
    type: FileType = "file"
    content: Annotated[str | None, Meta(description="Text of a file.")] = None
    source: Annotated[str | None, Meta(description="A file beside the recipe with the content.")] = None
    target: Annotated[str | None, Meta(description="Where a symbolic link points.")] = None
    owner: Owner = "0:0"
    mode: Annotated[Octal | None, Meta(description="Default: 0644 for files, 0755 for directories.")] = None


class HealthcheckSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Docker's health check. OCI runtimes, podman's OCI format among them, ignore it."""

    test: Annotated[tuple[str, ...], Meta(description="The command to run.", min_length=1)]
    interval: Duration | None = None
    timeout: Duration | None = None
    start_period: Duration | None = None
    retries: Annotated[int, Meta(ge=0)] | None = None


class ImageSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The config of the image, field for field (image-spec, config.md)."""

    entrypoint: Annotated[tuple[str, ...], Meta(description="The program, and arguments that always go with it.")] = ()
    cmd: Annotated[tuple[str, ...], Meta(description="Arguments that a user replaces; or the program.")] = ()
    env: Annotated[dict[str, str], Meta(description="Environment variables.")] = {}
    user: Annotated[str | None, Meta(description="user, uid, user:group, uid:gid.")] = None
    workdir: Annotated[str | None, Meta(description="Directory to start in, absolute.")] = None
    expose: Annotated[tuple[str, ...], Meta(description="Ports: '53589', '53/udp'.")] = ()
    volumes: Annotated[tuple[str, ...], Meta(description="Directories for data, absolute.")] = ()
    stop_signal: Annotated[str | None, Meta(description="Signal that stops the program: SIGTERM, SIGRTMIN+3.")] = None
    labels: Annotated[dict[str, str], Meta(description="Labels of the config.")] = {}
    annotations: Annotated[dict[str, str], Meta(description="Annotations of the manifest.")] = {}
    author: Annotated[str | None, Meta(description="Who is responsible for the image.")] = None
    created: Annotated[
        str | None, Meta(description="RFC 3339 time, or seconds; default: SOURCE_DATE_EPOCH, else the epoch.")
    ] = None
    platform: Annotated[
        str | None,
        Meta(description="os/architecture[/variant] that the ELF files must have; default: theirs."),
    ] = None
    cpu: Annotated[
        Cpu | None,
        Meta(description="The least x86-64 level that the image is to run on; what needs more is reported."),
    ] = None
    kernel: Kernel | None = None
    healthcheck: HealthcheckSpec | None = None


class LayersSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How the image is cut and compressed."""

    split: Annotated[Split, Meta(description="single; runtime+app: libraries below the rest; package: one each.")] = (
        "single"
    )
    compression: Compression = "gzip"
    level: Annotated[
        Annotated[int, Meta(ge=1, le=22)] | None,
        Meta(description="gzip 1 to 12 (default 6), zstd 1 to 22 (default 9)."),
    ] = None
    hardlinks: Annotated[
        bool | None,
        Meta(description="Make identical files hard links. Default: yes, unless select.mode is all."),
    ] = None


class ServeSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The image's entrypoint as a server; it is ready when `port` is listened on and `ready` was written."""

    args: Annotated[tuple[str, ...] | None, Meta(description="Arguments in place of image.cmd.")] = None
    port: Port | None = None
    ready: Annotated[str | None, Meta(description="Regular expression that its output has when it is ready.")] = None
    timeout: Annotated[Duration, Meta(description="How long it may take to be ready.")] = "30s"


class TestSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of the finished image; the program of `run` is a root of the closure."""

    __test__ = False

    name: Annotated[str | None, Meta(description="What reports call the test.")] = None
    run: Annotated[
        tuple[str, ...], Meta(description="Program and arguments in the image; beside a server where `serve` is given.")
    ] = ()
    client: Annotated[
        tuple[str, ...],
        Meta(description="Program of this machine and arguments, run in the network of `serve`'s container."),
    ] = ()
    serve: Annotated[ServeSpec | None, Meta(description="The server that must run meanwhile.")] = None
    stdin: str | None = None
    exit: Annotated[int, Meta(ge=0, le=255)] = 0
    stdout: Annotated[str | None, Meta(description="Regular expression that must be found in standard output.")] = None
    stderr: Annotated[str | None, Meta(description="Regular expression that must be found in standard error.")] = None
    timeout: Annotated[Duration | None, Meta(description="How long the program may take; default: run.timeout.")] = None
    files: Annotated[
        tuple[str, ...], Meta(description="Paths that the image must have, or with ! before them must not have.")
    ] = ()


class RunSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How `brasm test` runs the image; nothing of it is in the image."""

    capabilities: Annotated[
        tuple[str, ...], Meta(description="Capabilities that it has, 'CAP_NET_BIND_SERVICE'; by default none.")
    ] = ()
    network: Annotated[Network, Meta(description="none: its own loopback alone; host: the machine's.")] = "none"
    memory: Annotated[str | None, Meta(description="The most memory that it may use: '64 MB'.")] = None
    timeout: Annotated[Duration, Meta(description="How long a test's program may take.")] = "60s"
    tmpfs: Annotated[
        tuple[str, ...],
        Meta(description="Folders that may be written to, besides image.volumes; each starts as it is in the image."),
    ] = ()
    read_only: Annotated[bool, Meta(description="Whether the rest of the root cannot be written to.")] = True


class BudgetSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes that the image must not exceed: exit code 1 when it does."""

    compressed: Annotated[str | None, Meta(description="All layers as stored: '2.5 MB'.")] = None
    uncompressed: Annotated[str | None, Meta(description="All layers as tar: '6 MB'.")] = None


class TuneSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What `brasm tune` tries; nothing of it is in the image."""

    strategy: Annotated[
        Strategy,
        Meta(
            description="grid: every combination; one-at-a-time: the recipe, then each key by itself; random: `trials`"
            " combinations."
        ),
    ] = "grid"
    vary: Annotated[
        dict[str, str | list[str | int | bool | list[str]]],
        Meta(
            description="Keys and their values, '-' for the recipe's own: { 'layers.level' = '-,1..12',"
            " 'layers.compression' = ['gzip', 'zstd'] }."
        ),
    ] = {}
    seed: Annotated[int, Meta(ge=0, description="Which combinations random takes: the same seed, the same ones.")] = 0
    trials: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="How many combinations random takes.")] = None
    budget: Annotated[
        Duration | None, Meta(description="How long all of it may take; what is done by then counts.")
    ] = None
    minimize: Annotated[
        str | None, Meta(description="The measure that is to be least: 'compressed', 'unpacked', 'test_seconds'.")
    ] = None


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """An image, declared."""

    name: Annotated[str, Meta(description="The image's name.", pattern=r"^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$")]
    source: SourceSpec
    version: Annotated[str, Meta(description="The default tag.", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")] = (
        "latest"
    )
    description: str = ""
    buildroot: BuildrootSpec = BuildrootSpec()
    variant: Annotated[dict[str, VariantSpec], Meta(description="Other builds of the image, by name.")] = {}
    select: SelectSpec = SelectSpec()
    strip: StripSpec = StripSpec()
    files: tuple[FileSpec, ...] = ()
    overlay: Annotated[
        str | None, Meta(description="A folder beside the recipe, laid over the root; all in it is kept.")
    ] = None
    ldconfig: Annotated[
        bool, Meta(description="Write /etc/ld.so.cache for the libraries that the image has, as ldconfig -r does.")
    ] = False
    image: ImageSpec = ImageSpec()
    layers: LayersSpec = LayersSpec()
    test: tuple[TestSpec, ...] = ()
    run: RunSpec = RunSpec()
    budget: BudgetSpec = BudgetSpec()
    tune: TuneSpec = TuneSpec()

    @property
    def strip_mode(self) -> StripMode:
        """What is stripped: as asked, else nothing where nothing is to change."""
        return self.strip.mode or ("none" if self.select.mode == "all" else "unneeded")

    @property
    def links_identical(self) -> bool:
        """Whether identical files become hard links: as asked, else not where nothing is to change."""
        return self.select.mode != "all" if self.layers.hardlinks is None else self.layers.hardlinks


class LoadedRecipe(Struct, frozen=True):
    """A recipe and the folder that its relative paths start from.

    Attributes:
        recipe: as the file, the variant and the command line say together.
        folder: what relative paths start from.
        variant: the name of the variant that was selected.
    """

    recipe: Recipe
    folder: str
    variant: str | None = None

    @property
    def plain_version(self) -> str:
        """The version without the variant's name at its end."""
        return self.recipe.version.removesuffix(f"-{self.variant}")
