"""Models that containers name: by arguments, in scripts, by environment, on volumes."""

import pytest

from policies.workloads import extract

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def models(container, **spec):
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", **container}], **spec}}
    return [(one["reference"], one["scheme"], one["revision"], one["pinned"]) for one in extract(pod)["models"]]


HF = ("a/b", "hf", "", False)
PINNED = ("a/b", "hf", COMMIT, True)
LINES = [
    (["--model", "a/b"], [HF]),
    (["--model=a/b"], [HF]),
    (["--model_path=a/b"], [HF]),
    (["--model", "a/b", "--revision", COMMIT], [PINNED]),
    (["--revision=" + COMMIT, "--model=a/b"], [PINNED]),
    (["--model=a/b", "--revision", "main"], [("a/b", "hf", "main", False)]),
    (["--model=a/b", "--revision", COMMIT, "--revision", "main"], [("a/b", "hf", "main", False)]),
    (["--model=a/b", "--revision", "main", "--revision", COMMIT], [("a/b", "hf", "main", False)]),
    (["--model=a/b", "--revision", COMMIT, "--revis", "main"], [("a/b", "hf", "main", False)]),
    (["--model=a/b", "--tokenizer-revision", COMMIT], [HF]),
    (["--served-model-name", "a/b"], []),
    (["vllm", "serve", "a/b", "--port", "8000"], [HF]),
    (["/usr/local/bin/vllm", "serve", "--port", "8000", "a/b"], [HF]),
    (["vllm", "serve", "a/b", "--revision", COMMIT], [PINNED]),
    (["sh", "-c", "vllm serve a/b"], [HF]),
    (["bash", "-lc", "exec vllm serve a/b \\\n  --revision " + COMMIT], [PINNED]),
    (["sh", "-c", "echo hi && vllm serve 'a/b' | tee log"], [HF]),
    (["sh", "-c", "export M=a/b; vllm serve $M"], [HF]),
    (["sh", "-c", "vllm serve ${M:-a/b}"], [HF]),
    (["sh", "-c", "vllm serve $MODEL"], [("$MODEL", "unknown", "", False)]),
    (["sh", "-c", "vllm serve $(cat /etc/model)"], [("$", "unknown", "", False)]),
    (["python3", "-m", "sglang.launch_server", "--model-path", "a/b"], [HF]),
    (["python", "-m", "vllm.entrypoints.openai.api_server", "--model", "a/b"], [HF]),
    (["text-generation-launcher", "--model-id", "a/b", "--revision", COMMIT], [PINNED]),
    (["llama-server", "-m", "/models/x.gguf"], [("/models/x.gguf", "file", "", False)]),
    (["llama-server", "-hf", "a/b:Q4_K_M"], [HF]),
    (["tritonserver", "--model-repository=s3://bucket/models"], [("s3://bucket/models", "s3", "", False)]),
    (["ollama", "pull", "llama3:8b"], [("llama3:8b", "ollama", "", False)]),
    (["huggingface-cli", "download", "a/b", "--revision", COMMIT], [PINNED]),
    (["aws", "s3", "cp", "s3://bucket/model", "/models"], [("s3://bucket/model", "s3", "", False)]),
    (
        ["wget", "https://huggingface.co/a/b/resolve/main/x.gguf"],
        [("https://huggingface.co/a/b/resolve/main/x.gguf", "hf", "main", False)],
    ),
    (["curl", "https://example.com/health"], []),
    (["--speculative-config", '{"model": "a/b", "num_speculative_tokens": 5}'], [HF]),
    (["--lora-modules", "x=a/b", "y=/m/y"], [HF, ("/m/y", "file", "", False)]),
    (["--lora-modules", '{"name": "x", "path": "a/b"}'], [HF]),
    (["--model", "$(NAME)"], [("$(NAME)", "unknown", "", False)]),
    (["--model"], []),
    (["--port", "--model", "a/b"], [HF]),
]


@pytest.mark.parametrize(("words", "expected"), LINES, ids=lambda value: " ".join(map(str, value))[:60])
def test_command_lines(words, expected):
    """A command line names these models and no others."""
    assert models({"image": "x", "command": words}) == expected


def test_what_is_assigned_before_a_command_is_no_script():
    """Output that a variable is given loads nothing; output that is run, or named as a model, may be anything."""
    assert models({"command": ["sh", "-c", "PS=`cat /etc/ps.host | sed s/a/b/`; python /var/train.py"]}) == []
    assert models({"command": ["sh", "-c", "`cat /cmd`"]}) != []
    assert models({"command": ["sh", "-c", "vllm serve `cat /m`"]}) != []


def test_a_recipe_of_a_trainer():
    """Recipes of torchtune train what lies on the disk; what it downloads it is told by name."""
    assert models({"command": ["tune", "run", "full_finetune", "--config", "qwen2_5/1.5B_full"]}) == []
    assert models({"command": ["tune", "download", "a/b"]}) != []


def test_the_first_word_of_a_model_server():
    """An image that serves models takes a model as its first argument; another doesn't."""
    assert models({"image": "vllm/vllm-openai:v1", "args": ["a/b", "--port=1"]}) == [HF]
    assert models({"image": "busybox", "args": ["a/b"]}) == []


def test_kubernetes_fills_in_variables():
    """`$(NAME)` is what the environment says, and the model is then judged where it is used."""
    env = [{"name": "ORG", "value": "a"}, {"name": "MODEL_ID", "value": "$(ORG)/b"}]
    assert models({"env": env, "args": ["--model", "$(MODEL_ID)", "--revision", COMMIT], "image": "x"}) == [PINNED]


ENVIRONMENTS = [
    ([("MODEL_ID", "a/b")], [HF]),
    ([("HF_MODEL_ID", "a/b"), ("HF_REVISION", COMMIT)], [PINNED]),
    ([("VLLM_MODEL", "a/b")], [HF]),
    ([("MODEL_NAME", "a/b")], [HF]),
    ([("MODEL_NAME", "chat")], []),
    ([("HF_HOME", "/cache")], []),
    ([("HF_TOKEN", "a/b")], []),
    ([("LORA_SOURCE", "s3://bucket/lora")], [("s3://bucket/lora", "s3", "", False)]),
    ([("ANYTHING", "hf://a/b")], [("hf://a/b", "hf", "", False)]),
    ([("LOG_BUCKET", "s3://bucket/logs")], []),
]


@pytest.mark.parametrize(("pairs", "expected"), ENVIRONMENTS, ids=str)
def test_environment(pairs, expected):
    """Variables that name models name these."""
    assert models({"env": [{"name": name, "value": value} for name, value in pairs]}) == expected


def test_a_model_from_a_config_map_is_unknown():
    """A model whose name stands elsewhere is there, and nobody here can say which it is."""
    env = [{"name": "MODEL_ID", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "model"}}}]
    assert models({"env": env}) == [("$(MODEL_ID)", "unknown", "", False)]


def test_local_paths_are_where_their_volume_is():
    """A path on a claim is on the claim; one on an image volume is that image, digest included."""
    mounts = [{"name": "claim", "mountPath": "/claim/"}, {"name": "image", "mountPath": "/claim/image"}]
    volumes = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "image", "image": {"reference": f"ghcr.io/a/b@{DIGEST}"}},
    ]
    served = {"args": ["--model", "/claim/llama"], "image": "x", "volumeMounts": mounts}
    assert ("/claim/llama", "pvc", "", False) in models(served, volumes=volumes)
    served["args"] = ["--model=/claim/image/llama"]
    assert ("/claim/image/llama", "oci", "", True) in models(served, volumes=volumes)
    assert (f"ghcr.io/a/b@{DIGEST}", "oci", "", True) in models(served, volumes=volumes)
    served["args"] = ["--model=/elsewhere/llama"]
    assert ("/elsewhere/llama", "file", "", False) in models(served, volumes=volumes)


def test_every_container_and_every_path():
    """Init and ephemeral containers name models too, each with the path of the word that names it."""
    container = {"name": "c", "image": "x", "args": ["--a", "--model=a/b"]}
    lists = ("containers", "initContainers", "ephemeralContainers")
    spec = {name: [container] for name in lists}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": spec}}}
    paths = [one["path"] for one in extract(deployment)["models"]]
    assert paths == [f"spec.template.spec.{name}[0].args[1]" for name in lists]


@pytest.mark.parametrize("value", [3, True, "exec", ["exec"], None])
def test_a_hook_that_is_no_object_runs_nothing(value):
    """Probes and hooks of wrong types are none, and nothing is raised for them."""
    assert models({"image": "x", "args": ["--model=a/b"], "livenessProbe": value, "lifecycle": value}) == [HF]
