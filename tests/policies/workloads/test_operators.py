"""Kinds of operators beside the deep systems, and shapes that came later: what each hides, in a small object."""

import pytest

from policies.workloads import extract

CONTAINER = {"name": "c", "image": "r.example/c:1"}
TELEMETRY, BACKUPS, INFERENCE = "telemetry", "backups", "inference"


def facts(version, kind, **parts):
    """Paths of pods, and what the object names, by fact."""
    workload = extract({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **parts})
    assert workload["known"]
    names = {
        "pods": [one["path"] for one in workload["pods"]],
        "images": [one["reference"] for one in workload["images"]],
        "models": [one["reference"] for one in workload["models"]],
        "devices": [one["resource"] or one["mechanism"] for one in workload["devices"]],
        "to": [
            (one["what"], one["host"] or one["bucket"] or one["cluster"] or one["provider"], one["region"])
            for one in workload["destinations"]
        ],
    }
    return {name: found for name, found in names.items() if found}


@pytest.mark.parametrize(
    ("version", "kind", "spec", "expected"),
    [
        (
            "toolhive.stacklok.dev/v1beta1",
            "MCPServer",
            {
                "image": "mcp/github:1",
                "env": [{"name": "GITHUB_API_URL", "value": "https://api.github.com"}],
                "podTemplateSpec": {"spec": {"nodeSelector": {"a": "b"}, "containers": [{"name": "mcp"}]}},
            },
            {"pods": ["spec"], "images": ["mcp/github:1"], "to": [("data", "https://api.github.com", "")]},
        ),
        (
            "toolhive.stacklok.dev/v1beta1",
            "EmbeddingServer",
            {"model": "BAAI/bge-small-en-v1.5", "image": "tei:1", "resources": {"limits": {"nvidia.com/gpu": 1}}},
            {
                "pods": ["spec"],
                "images": ["tei:1"],
                "models": ["BAAI/bge-small-en-v1.5"],
                "devices": ["nvidia.com/gpu"],
            },
        ),
        (
            "toolhive.stacklok.dev/v1beta1",
            "MCPRegistry",
            {"configYAML": "sources: [{git: {repository: https://git.example/r}}]\ndatabase: {host: db.example.com}"},
            {"to": [("tools", "https://git.example/r", ""), ("tools", "db.example.com", "")]},
        ),
        (
            "toolhive.stacklok.dev/v1beta1",
            "MCPServerEntry",
            {"remoteUrl": "https://mcp.example.com/mcp"},
            {"to": [("tools", "https://mcp.example.com/mcp", "")]},
        ),
        (
            "apps.nvidia.com/v1alpha1",
            "NemoCustomizer",
            {
                "image": {"repository": "nvcr.io/nemo/api", "tag": "25.04"},
                "wandb": {"secretName": "w"},
                "modelDownloadJobs": {"image": "nvcr.io/nemo/download:1"},
                "trainingConfig": {
                    "image": {"repository": "nvcr.io/nemo/train", "tag": "2"},
                    "nodeSelector": {"a": "b"},
                    "resources": {"limits": {"nvidia.com/gpu": 1}},
                },
            },
            {
                "pods": ["spec", "spec.trainingConfig"],
                "images": ["nvcr.io/nemo/api:25.04", "nvcr.io/nemo/train:2", "nvcr.io/nemo/download:1"],
                "devices": ["nvidia.com/gpu"],
                "to": [(TELEMETRY, "api.wandb.ai", "")],
            },
        ),
        (
            "apps.nvidia.com/v1alpha1",
            "NemoEvaluator",
            {"evaluationImages": {"rag": "nvcr.io/e/rag:1"}, "vectorDB": {"endpoint": "http://milvus.example.com:1"}},
            {"pods": ["spec"], "images": ["nvcr.io/e/rag:1"], "to": [("data", "http://milvus.example.com:1", "")]},
        ),
        (
            "apps.nvidia.com/v1alpha1",
            "NIMCache",
            {"env": [{"name": "NIM_REPOSITORY_OVERRIDE", "value": "s3://nims/x"}]},
            {"to": [("data", "s3://nims/x", "")]},
        ),
        (
            "mlops.seldon.io/v1alpha1",
            "Model",
            {"storageUri": "gs://m/iris"},
            {"models": ["gs://m/iris"], "to": [("models", "gs://m/iris", "")]},
        ),
        (
            "machinelearning.seldon.io/v1",
            "SeldonDeployment",
            {
                "predictors": [
                    {
                        "componentSpecs": [{"spec": {"containers": [CONTAINER]}}],
                        "graph": {"modelUri": "s3://m/a", "children": [{"modelUri": "s3://m/b"}]},
                    }
                ]
            },
            {
                "pods": ["spec.predictors[0].componentSpecs[0]"],
                "images": ["r.example/c:1"],
                "models": ["s3://m/a", "s3://m/b"],
                "to": [("data", "s3://m/a", ""), ("data", "s3://m/b", "")],
            },
        ),
        (
            "serving.kserve.io/v1alpha1",
            "Predictor",
            {"path": "a/b", "storage": {"s3": {"secretKey": "k", "bucket": "models"}}},
            {"models": ["a/b"], "to": [("models", "models", "")]},
        ),
        (
            "vllm.ai/v1alpha1",
            "SemanticRouter",
            {
                "image": {"repository": "ghcr.io/v/router", "tag": "1"},
                "config": {"classifier": {"pii_model": {"model_id": "models/pii"}}},
            },
            {"pods": ["spec"], "images": ["ghcr.io/v/router:1"], "models": ["models/pii"]},
        ),
        (
            "llmaz.io/v1alpha1",
            "OpenModel",
            {
                "source": {"modelHub": {"name": "ModelScope", "modelID": "a/b"}},
                "inferenceConfig": {"flavors": [{"limits": {"nvidia.com/gpu": 1}}]},
            },
            {"models": ["a/b"], "devices": ["nvidia.com/gpu"]},
        ),
        (
            "ome.io/v1beta1",
            "BenchmarkJob",
            {
                "podOverride": {"image": "ghcr.io/b/bench:1"},
                "outputLocation": {"storageUri": "s3://out/x", "parameters": {"region": "us-east-1"}},
            },
            {"images": ["ghcr.io/b/bench:1"], "to": [(TELEMETRY, "s3://out/x", "us-east-1")]},
        ),
        (
            "fleet.cattle.io/v1alpha1",
            "Bundle",
            {"targets": [{"clusterName": "us"}, {"clusterSelector": {}}]},
            {"to": [("workloads", "us", ""), ("workloads", "*", "")]},
        ),
        (
            "control.kubestellar.io/v1alpha1",
            "BindingPolicy",
            {"clusterSelectors": [{"matchLabels": {"a": "b"}}]},
            {"to": [("workloads", "*", "")]},
        ),
        (
            "k8up.io/v1",
            "Schedule",
            {
                "backend": {"s3": {"endpoint": "https://s3.example", "bucket": "b"}},
                "archive": {"restoreMethod": {"s3": {"bucket": "a"}}},
            },
            {"to": [(BACKUPS, "https://s3.example", ""), (BACKUPS, "a", "")]},
        ),
        (
            "core.k8sgpt.ai/v1alpha1",
            "K8sGPT",
            {"ai": {"backend": "openai"}},
            {"to": [(INFERENCE, "api.openai.com", "")]},
        ),
        (
            "core.k8sgpt.ai/v1alpha1",
            "K8sGPT",
            {
                "repository": "ghcr.io/k/k8sgpt",
                "version": "v1",
                "ai": {"backend": "amazonbedrock", "region": "us-west-2", "model": "m"},
                "remoteCache": {"s3": {"bucketName": "b", "region": "us-east-1"}},
            },
            {
                "images": ["ghcr.io/k/k8sgpt:v1"],
                "models": ["m"],
                "to": [(INFERENCE, "aws", "us-west-2"), (INFERENCE, "b", "us-east-1")],
            },
        ),
        (
            "logging.banzaicloud.io/v1beta1",
            "ClusterOutput",
            {"s3": {"s3_bucket": "logs", "s3_region": "us-east-1"}, "datadog": {"api_key": {}}},
            {"to": [(TELEMETRY, "logs", "us-east-1"), (TELEMETRY, "http-intake.logs.datadoghq.com", "")]},
        ),
        (
            "fluentbit.fluent.io/v1alpha2",
            "ClusterOutput",
            {"s3": {"Bucket": "logs", "Region": "us-east-1"}, "cloudWatch": {"region": "eu-west-1"}},
            {"to": [(TELEMETRY, "logs", "us-east-1"), (TELEMETRY, "aws", "eu-west-1")]},
        ),
        (
            "fluentd.fluent.io/v1alpha1",
            "Output",
            {"outputs": [{"s3": {"s3Bucket": "logs", "s3Region": "us-east-1"}}]},
            {"to": [(TELEMETRY, "logs", "us-east-1")]},
        ),
        (
            "argoproj.io/v1alpha1",
            "Sensor",
            {
                "triggers": [
                    {
                        "template": {
                            "http": {"url": "https://hook.example", "payload": [{"dest": "a.b.c"}]},
                            "k8s": {
                                "source": {
                                    "resource": {
                                        "apiVersion": "batch/v1",
                                        "kind": "Job",
                                        "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
                                    }
                                }
                            },
                        },
                        "parameters": [{"dest": "slack.channel"}],
                    }
                ]
            },
            {
                "pods": ["spec.triggers[0].template.k8s.source.resource.spec.template"],
                "images": ["r.example/c:1"],
                "to": [("data", "https://hook.example", "")],
            },
        ),
        (
            "triggers.tekton.dev/v1beta1",
            "TriggerTemplate",
            {
                "resourcetemplates": [
                    {
                        "apiVersion": "tekton.dev/v1",
                        "kind": "TaskRun",
                        "spec": {"taskSpec": {"steps": [{"name": "s", "image": "r.example/step:1"}]}},
                    }
                ]
            },
            {"pods": ["spec.resourcetemplates[0].spec"], "images": ["r.example/step:1"]},
        ),
        ("triggers.tekton.dev/v1beta1", "TriggerBinding", {"params": [{"value": "https://a.example/$(body.x)"}]}, {}),
        (
            "kubevirt.io/v1",
            "VirtualMachine",
            {
                "dataVolumeTemplates": [{"spec": {"source": {"http": {"url": "https://img.example/disk.qcow2"}}}}],
                "template": {
                    "spec": {
                        "nodeSelector": {"a": "b"},
                        "domain": {"devices": {"gpus": [{"name": "g", "deviceName": "nvidia.com/GH100"}]}},
                        "volumes": [{"name": "d", "containerDisk": {"image": "quay.io/v/disk:1"}}],
                    }
                },
            },
            {
                "pods": ["spec.template"],
                "images": ["quay.io/v/disk:1"],
                "devices": ["nvidia.com/GH100"],
                "to": [("data", "https://img.example/disk.qcow2", "")],
            },
        ),
        (
            "llamastack.io/v1alpha1",
            "LlamaStackDistribution",
            {
                "server": {
                    "distribution": {"image": "r.example/stack:1"},
                    "containerSpec": {"env": [{"name": "VLLM_URL", "value": "https://vllm.example/v1"}]},
                }
            },
            {
                "pods": ["spec.server"],
                "images": ["r.example/stack:1"],
                "to": [(INFERENCE, "https://vllm.example/v1", "")],
            },
        ),
        (
            "datasciencepipelinesapplications.opendatahub.io/v1",
            "DataSciencePipelinesApplication",
            {
                "apiServer": {"image": "quay.io/d/api:1"},
                "objectStorage": {
                    "externalStorage": {"host": "s3.us-east-1.amazonaws.com", "bucket": "b", "region": "us-east-1"}
                },
            },
            {
                "images": ["quay.io/d/api:1"],
                "to": [("data", "s3.us-east-1.amazonaws.com", "us-east-1")],
            },
        ),
        (
            "sparkoperator.k8s.io/v1beta2",
            "ScheduledSparkApplication",
            {
                "template": {
                    "image": "spark:4",
                    "sparkConf": {"spark.hadoop.fs.s3a.endpoint": "s3.us-east-1.amazonaws.com"},
                    "deps": {"jars": ["https://repo.example/a.jar"]},
                    "driver": {"template": {"spec": {"containers": [CONTAINER]}}},
                }
            },
            {
                "pods": ["spec.template.driver", "spec.template.driver.template"],
                "images": ["spark:4", "r.example/c:1"],
                "to": [("data", "s3.us-east-1.amazonaws.com", ""), ("data", "https://repo.example/a.jar", "")],
            },
        ),
        (
            "controlplane.cluster.x-k8s.io/v1beta2",
            "ROSAControlPlane",
            {"region": "us-east-1"},
            {"to": [("workloads", "aws", "us-east-1")]},
        ),
        (
            "serving.knative.dev/v1",
            "Configuration",
            {"template": {"spec": {"containers": [{"image": "r.example/k:1"}]}}},
            {"pods": ["spec.template"], "images": ["r.example/k:1"]},
        ),
        (
            "gateway.envoyproxy.io/v1alpha1",
            "EnvoyProxy",
            {
                "provider": {
                    "kubernetes": {
                        "envoyDeployment": {
                            "patch": {"value": {"spec": {"template": {"spec": {"containers": [CONTAINER]}}}}}
                        }
                    }
                }
            },
            {
                "pods": ["spec.provider.kubernetes.envoyDeployment.patch.value.spec.template"],
                "images": ["r.example/c:1"],
            },
        ),
        (
            "velero.io/v1",
            "Restore",
            {"hooks": {"resources": [{"postHooks": [{"init": {"initContainers": [CONTAINER]}}]}]}},
            {"images": ["r.example/c:1"]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value else "",
)
def test_what_an_operator_is_told(version, kind, spec, expected):
    """Pods, images, models, devices and where data goes, as its kind writes them."""
    assert facts(version, kind, spec=spec) == expected
