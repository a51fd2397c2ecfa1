"""What every registered system must do; a new system is tested by being registered."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import IterableDataset

from mien import systems
from mien.cli import main
from mien.errors import UsageError
from mien.train.engine import Options, Run

SLUGS = list(systems.available())
# Learned parameters at paper size, from the card of the method (mien's own: from its model card).
PARAMETERS = {
    "mien-embedding": 1_410_560,
    "mien-animator": 424_973,
    "mien-sync": 178_562,
    "mien-detector": 485_919,
    "mien-landmarks": 1_967_451,
    "mien-base": 5_475_187,
    "mien-guard": 946_900,
    # 303,284,226 as published, where every norm is there twice: 102,400 numbers are its frozen copy
    "clip-deepfake": 303_181_826,
    # encoder 18,234,034, generator 19,948,195, critics 6,001 of codes and 8,677,137 of pictures
    "caae": 46_865_367,
    "facexformer": 91_985_943,
    # 303,355,957 of the fine-tuned ViT-L, 26,141,440 of its masked autoencoder's norm and decoder
    "kd-landmarks": 24_208_616,
    "facenet": 7_464_224,
    "fmae-iat": 329_497_397,
    # over mien's own head; 34,967,092 over FLAME, as published
    "smirk": 34_752_789,
    # 61,789,947 with the keypoint detector, 6,846,849 of the critic
    "fsrt": 68_636_796,
    # 64,987,972 of the recorded one, 20 more blocks and the heads of BIWI and Multiface
    "unitalker": 317_175_620,
    # the language model 1,543,714,304, what adapts it 18,464,768, encoders 706,116,408
    "nano-emox": 2_319_130_683,
}
# Published parameters that no output depends on: the norm after the backbone's last stage.
# CLIP is read before its last block.
IDLE = {
    "facexformer": {"backbone.norm.weight", "backbone.norm.bias"},
    "nano-emox": {"face.backbone.norm.weight", "face.backbone.norm.bias"}
    | {f"clip.post_layernorm.{kind}" for kind in ("weight", "bias")}
    | {
        f"clip.encoder.layers.2.{part}.{kind}"
        for part in (
            *(f"self_attn.{one}_proj" for one in ("q", "k", "v", "out")),
            *("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2"),
        )
        for kind in ("weight", "bias")
    },
}


class Repeated(IterableDataset):
    """The samples of one example batch, again and again."""

    def __init__(self, batch: dict[str, torch.Tensor], start: int = 0):
        self.batch, self.start = batch, start

    def __iter__(self):
        count = len(next(iter(self.batch.values())))
        index = self.start
        while True:
            yield {key: value[index % count] for key, value in self.batch.items()}
            index += 1


@pytest.fixture(params=SLUGS)
def tiny(request):
    torch.manual_seed(0)
    return systems.load(request.param).build("tiny")


def run(system, folder, steps, say=lambda line: None):
    """Train the first stage on one made-up batch."""
    torch.manual_seed(0)
    batch = system.example(8)
    stage = replace(system.stages()[0], steps=steps, batch=8, warmup=1)
    options = Options(workers=0, precision="fp32", log_every=5, save_every=10)
    Run(system, folder, options, say).train(stage, lambda start: Repeated(batch, start))
    return system


@pytest.mark.parametrize("slug", SLUGS)
def test_paper_size_has_the_published_parameter_count(slug):
    with torch.device("meta"):
        system = systems.load(slug).build("paper")
    assert system.parameter_count() == PARAMETERS[slug]


@pytest.mark.parametrize("slug", SLUGS)
def test_the_card_is_complete(slug):
    card = systems.load(slug).CARD
    assert card.slug == slug
    assert card.title and card.task and card.code_licence and card.weights_licence


def test_every_stage_lowers_its_loss_on_one_batch(tiny):
    batch = tiny.example(8)
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    for stage in tiny.stages():
        tiny.load_state_dict(start)
        trained = tuple(prefix for turn in stage.in_turn() for prefix in turn.train)
        weights = {name: w for turn in stage.in_turn() for name, w in turn.losses.items()}
        learned = [p for name, p in tiny.named_parameters() if name.startswith(trained)]
        assert learned, "a stage trains what is not there"
        optimiser = torch.optim.Adam(learned, 2e-3)
        totals = []
        for _ in range(30):
            terms = tiny.losses(batch)
            assert set(weights) <= set(terms), "a weight names a term that is not there"
            total = torch.stack([w * terms[name] for name, w in weights.items()]).sum()
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            totals.append(float(total.detach()))
        assert np.isfinite(totals).all()
        assert totals[-1] < 0.9 * totals[0]


def test_all_parameters_learn(tiny):
    batch = tiny.example(8)
    torch.stack(list(tiny.losses(batch).values())).sum().backward()
    idle = {name for name, parameter in tiny.named_parameters() if parameter.grad is None}
    assert idle == IDLE.get(tiny.CARD.slug, set())


def test_outputs_do_not_depend_on_the_batch(tiny):
    tiny.eval()
    images = tiny.inputs(tiny.example(5))
    with torch.inference_mode():
        together = tiny(*images)
        alone = [tiny(*(part[i : i + 1] for part in images)) for i in range(5)]
    for k, output in enumerate(together):
        single = torch.cat([outputs[k] for outputs in alone])
        torch.testing.assert_close(single, output, rtol=1e-5, atol=1e-4)


def test_a_run_saves_what_loads_again(tiny, tmp_path):
    from safetensors.torch import load_file

    run(tiny, tmp_path, 10)
    weights = load_file(tmp_path / "model.safetensors")
    copy = type(tiny).build("tiny").eval()
    copy.load_state_dict(weights)
    images = copy.inputs(copy.example(2))
    assert all(torch.isfinite(output).all() for output in copy(*images))
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 3  # a header, steps 5 and 10


def test_a_killed_run_goes_on_to_the_same_end(tiny, tmp_path):
    def kill(line: str) -> None:
        if "15/20" in line:
            raise KeyboardInterrupt

    torch.manual_seed(0)
    start = {name: value.clone() for name, value in tiny.state_dict().items()}
    whole = run(tiny, tmp_path / "whole", 20)
    other = type(tiny).build("tiny")
    other.load_state_dict(start)
    with pytest.raises(KeyboardInterrupt):
        run(other, tmp_path / "parts", 20, say=kill)
    resumed = run(type(tiny).build("tiny"), tmp_path / "parts", 20)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.filterwarnings("ignore")  # of the exporter, about shapes that do not change
def test_the_exported_network_says_the_same_of_any_batch(tiny, tmp_path):
    import onnxruntime

    from mien.systems.export import rounded, to_onnx

    tiny.eval().load_state_dict(rounded(tiny.state_dict()))  # as it is stored
    to_onnx(tiny, tmp_path / "network.onnx")
    network = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    (image,) = tiny.inputs(tiny.example(3))
    with torch.inference_mode():
        expected = tiny(image)
    for exported, output in zip(network.run(None, {"image": image.numpy()}), expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(exported), output, rtol=1e-4, atol=1e-4)


def test_wrong_input_is_refused(tiny):
    with pytest.raises(Exception, match=r"channel|shape|size|expected"):
        size = getattr(tiny.config, "size", 8)  # of a picture; others take sound
        tiny(torch.zeros(1, 5, size, size))


def test_an_unknown_slug_names_the_known_ones():
    with pytest.raises(UsageError, match="mien-landmarks"):
        systems.load("no-such-system")


def test_the_registry_imports_no_torch():
    code = "import sys, mien.systems; mien.systems.available(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sheet_says_what_the_systems_are():
    from mien.systems.sheet import described

    ours = [slug for slug in SLUGS if systems.available()[slug].module.startswith("mien.")]
    assert {slug: described(slug) for slug in ours} == systems.facts(), (
        "python -m mien.systems.sheet writes it anew"
    )


def test_the_list_tells_licence_size_and_claim(capsys):
    assert main(["systems", "list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    (row,) = [row for row in rows if row.startswith("facenet ")]
    assert "represent" in row and "7.46M" in row and "3 of 4 held" in row
