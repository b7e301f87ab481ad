"""The go.mod of a build, and its flags."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import RecipeError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.golang import build, environment, go_mod
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.recipes import ProgramRecipe

KUBERNETES = """\
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
\tgithub.com/spf13/cobra v1.10.2
\tk8s.io/api v0.0.0
)

require golang.org/x/one v1.0.0

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
)
"""


def test_staging_modules_become_published_ones():
    text = go_mod(ProgramRecipe("k", "v1.36.3", {"kubeadm": "."}, module="k8s.io/kubernetes", staging="k8s.io/"), KUBERNETES, "1.26")
    assert text.splitlines() == [
        "module bundle",
        "",
        "go 1.26.0",
        "",
        "godebug default=go1.26",
        "require k8s.io/kubernetes v1.36.3",
        "require github.com/spf13/cobra v1.10.2",
        "require k8s.io/api v0.36.3",
        "require golang.org/x/one v1.0.0",
        "replace k8s.io/api => k8s.io/api v0.36.3",
    ]


def test_replacements_are_copied_but_not_those_into_its_own_tree():
    upstream = "go 1.24\nreplace a => b v1 // why\nreplace (\n\tc v1 => d v2\n\te => ../e\n)\n"
    text = go_mod(ProgramRecipe("x", "v2", {"x": "."}, module="x.org/x", replace={"n": "v3"}), upstream, "1.26")
    assert [line for line in text.splitlines() if line.startswith("replace")] == ["replace c v1 => d v2", "replace a => b v1", "replace n => n v3"]


def test_own_program_needs_no_module():
    assert go_mod(ProgramRecipe("pause", "3", {"pause": "."}, folder="pause"), "", "1.26") == "module bundle\n\ngo 1.26\n"


def test_staging_that_is_not_there():
    with pytest.raises(RecipeError, match=r"has no modules that start with 'k8s\.io/'"):
        go_mod(ProgramRecipe("x", "v1.2.3", {"x": "."}, module="x.org/x", staging="k8s.io/"), "go 1.24\n", "1.26")


def test_build():
    recipe = ProgramRecipe("r", "v1.5", {"r": "."}, module="x.org/r", cgo=True, tags=("a", "b"), variables={"main.v": "{number}"})
    flags = "-s -w -X main.v=1.5 -extldflags -static"
    assert build(recipe, "go", ".", "out") == ["go", "build", "-trimpath", "-tags", "a,b", "-ldflags", flags, "-o", "out", "x.org/r"]
    assert build(recipe, "go", "./cmd/r", "out")[-1] == "x.org/r/cmd/r"
    assert build(ProgramRecipe("p", "1", {"p": "."}, folder="p"), "go", ".", "out")[-1] == "."


def test_environment_does_not_follow_the_caller():
    found = environment({"GOFLAGS": "-mod=vendor", "GOROOT": "/x", "GOPROXY": "kept", "PATH": "/bin"}, "/m", "/c", cgo=False)
    assert (found["GOPROXY"], found["GOFLAGS"], found["GOTOOLCHAIN"], found["CGO_ENABLED"]) == ("kept", "-mod=mod -buildvcs=false", "local", "0")
    assert "GOROOT" not in found
