"""Which language a file is in: by its name, its ending, or the program that its first line names."""

from pathlib import PurePosixPath

_ENDINGS = {
    "Python": "py pyi pyw",
    "JavaScript": "js mjs cjs jsx",
    "TypeScript": "ts tsx mts cts",
    "HTML": "html htm",
    "CSS": "css scss sass less",
    "Vue": "vue",
    "Svelte": "svelte",
    "C": "c h",
    "C++": "cc cpp cxx hpp hh hxx",
    "C#": "cs",
    "Go": "go",
    "Rust": "rs",
    "Java": "java",
    "Kotlin": "kt kts",
    "Scala": "scala",
    "Swift": "swift",
    "Ruby": "rb rake gemspec",
    "PHP": "php",
    "Perl": "pl pm",
    "Lua": "lua",
    "R": "r",
    "Julia": "jl",
    "Haskell": "hs",
    "Elixir": "ex exs",
    "Erlang": "erl hrl",
    "Dart": "dart",
    "Zig": "zig",
    "Shell": "sh bash zsh fish",
    "PowerShell": "ps1",
    "SQL": "sql",
    "Protocol Buffers": "proto",
    "Terraform": "tf",
    "Cython": "pyx pxd",
    "YAML": "yaml yml",
    "TOML": "toml",
    "JSON": "json",
    "XML": "xml",
    "Markdown": "md markdown",
    "reStructuredText": "rst",
    "Text": "txt",
    "Configuration": "ini cfg conf",
    "Gettext": "po pot",
    "Jupyter": "ipynb",
}
_BY_ENDING = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}
_BY_NAME = {
    "makefile": "Makefile",
    "gnumakefile": "Makefile",
    "dockerfile": "Dockerfile",
    "containerfile": "Dockerfile",
    "cmakelists.txt": "CMake",
    "gemfile": "Ruby",
    "rakefile": "Ruby",
}
_BY_PROGRAM = {
    "python": "Python",
    "sh": "Shell",
    "bash": "Shell",
    "dash": "Shell",
    "zsh": "Shell",
    "node": "JavaScript",
    "perl": "Perl",
    "ruby": "Ruby",
    "php": "PHP",
    "lua": "Lua",
}


def language_of(path: str, start: bytes) -> str:
    """The language of a text file that begins with `start`; `other` when nothing tells."""
    pure = PurePosixPath(path)
    name = pure.name.lower()
    found = _BY_NAME.get(name) or _BY_NAME.get(name.partition(".")[0] if name.startswith("dockerfile.") else "")
    return found or _BY_ENDING.get(pure.suffix[1:].lower()) or _by_shebang(start) or "other"


def _by_shebang(start: bytes) -> str:
    line = start.split(b"\n", 1)[0]
    if not line.startswith(b"#!"):
        return ""
    words = [word for word in line[2:].decode("ascii", "replace").split() if not word.startswith("-")]
    programs = [PurePosixPath(word).name.rstrip("0123456789.") for word in words[:2]]
    return _BY_PROGRAM.get(programs[-1] if programs[:1] == ["env"] else "".join(programs[:1]), "")
